"""The worker: takes generations from the queue and writes what the model says to their logs."""
