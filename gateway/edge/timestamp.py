"""Moments as clients read them."""

import time

_second = -1
_stamp = ""


def iso(ts: int) -> str:
    """RFC 3339 with milliseconds, UTC. The part down to the second is kept from call to call."""
    global _second, _stamp
    second, ms = divmod(ts, 1000)
    if second != _second:
        _second, _stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_stamp}.{ms:03d}Z"
