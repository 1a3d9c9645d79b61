"""Faults: each file breaks one part on purpose; `python -m tests.chaos` breaks all of them at random."""
