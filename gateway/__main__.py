"""Run one gateway process."""

from gateway.process import main

main()
