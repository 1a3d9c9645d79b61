"""Clocks that are wrong, or are set while a process runs."""

from pathlib import Path

from tests.kit.debian import faketime


class SetClock:
    """The wall clock of processes that are started with its `environment`; time that passes is left alone."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: int) -> None:
        """So far ahead of this machine's, or behind it below zero."""
        partial = self._file.with_suffix(".part")
        partial.write_text(f"{ahead_s:+d}")
        partial.replace(self._file)
