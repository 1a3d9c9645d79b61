"""`make dist`: what is published, built from a checkout. No wheel has this package."""
