"""
Who made, used for the first time, rotated, revoked or exceeded what: JSON objects, a line each, to
`HEADRACE_AUDIT_LOG`, else to the process' own log. It names keys by their ids, and never holds a secret.
"""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog

from shared.asker import Asker
from shared.events import now_ms
from shared.ledger import Refusal

logger = structlog.get_logger("audit")

#: Who exceeds a limit a hundred times in a minute has a line for it, not a hundred.
_AGAIN_AFTER_S = 60.0
_MOST_KNOWN = 10_000


class Audit:
    """Appends; a file that cannot be written is said in the process' log, and stops nothing."""

    def __init__(self, path: Path | None, *, loud: bool = True) -> None:
        """Without a *path* only one that is *loud* says anything."""
        self._path, self._loud = path, loud
        self._exceeded: dict[tuple[str, str, str], float] = {}

    def note(self, event: str, **facts: Any) -> None:
        """One line: what happened, and to what."""
        line = {"ts": now_ms(), "event": event, **{k: v for k, v in facts.items() if v not in (None, "")}}
        if self._path is None:
            logger.info(
                "audit", **{"what" if name == "event" else name: value for name, value in line.items()}
            )
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, msgspec.json.encode(line) + b"\n")
            finally:
                os.close(fd)
        except OSError as error:
            logger.error("the audit log cannot be written", error=error.strerror, what=event, **facts)

    def exceeded(self, asker: Asker, refused: Refusal) -> None:
        """A limit was exceeded; told once a minute."""
        which, now = (asker.tenant, refused.level, refused.limit), time.monotonic()
        if now - self._exceeded.get(which, float("-inf")) < _AGAIN_AFTER_S:
            return
        if len(self._exceeded) >= _MOST_KNOWN:
            self._exceeded.clear()
        self._exceeded[which] = now
        self.note(
            "limit_exceeded",
            tenant=asker.tenant,
            user=asker.user,
            key=asker.key,
            level=refused.level,
            limit=refused.limit,
        )
