"""
What a process cannot read and goes on without: a newer version's events, a line that is none.

Versions one apart run beside each other, so meeting it is no failure: it is counted each time, and logged
once a kind.
"""

import structlog

from shared import metrics

logger = structlog.get_logger("shared.skipped")

#: Kinds that are remembered as logged; a broken sender must not fill memory with made-up ones.
_MOST_KINDS = 100

_logged: set[tuple[str, str]] = set()


def skipped(what: str, kind: str) -> None:
    """*what* (`event`, `push`, `cancel`) was met that cannot be read; *kind* tells one sort from another."""
    metrics.skipped.labels(what).inc()
    if (what, kind) not in _logged and len(_logged) < _MOST_KINDS:
        _logged.add((what, kind))
        logger.warning("skipped what this version cannot read", what=what, kind=kind)
