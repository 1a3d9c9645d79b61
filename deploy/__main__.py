"""
`python -m deploy` is `headrace`. Ctrl-C ends it with 130 and no traceback from here on: what it is made of
takes a second to be imported, and has begun nothing yet that would have to be ended.
"""

import signal
import sys
from os import _exit

#: How a shell counts a program that Ctrl-C ended.
INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Do what the command line says."""
    # Where it is ignored, as in the background of a script, it stays so.
    heeds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeds:
        signal.signal(signal.SIGINT, _leave)
    from deploy.cli import app

    try:
        if heeds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        if heeds:
            signal.signal(signal.SIGINT, _leave)


def _leave(signum: int, frame: object) -> None:
    _exit(INTERRUPTED)


if __name__ == "__main__":
    main()
