"""
Ends what `headrace up` has started when `headrace up` itself was killed without a chance to do so.

Run as a process of its own, it reads `+PID` and `-PID` lines from its standard input: the leaders of
process groups that live and that have ended. The input ends with the process that holds its other
side, however that went; then every group still listed is asked to stop, and soon made to. Nothing but
the standard library, so that it starts at once, and nothing that only one system offers.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

_GRACE_S = 5.0
_LOOK_S = 0.05


def main() -> None:
    """Keep the list until the input ends, then end what is on it."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    living: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            living.add(pid)
        else:
            living.discard(pid)
    _signal(living, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while living and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        living = {pid for pid in living if _signal([pid], 0)}
    _signal(living, signal.SIGKILL)


def _signal(groups: Iterable[int], signum: int) -> bool:
    """Whether any of them was there to be signalled."""
    heard = False
    for group in groups:
        try:
            os.killpg(group, signum)
            heard = True
        except (ProcessLookupError, PermissionError):
            continue
    return heard


if __name__ == "__main__":
    main()
