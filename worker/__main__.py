"""Run one worker process."""

from worker.process import main

main()
