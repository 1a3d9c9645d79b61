"""What the watch over an attached generation makes of how it is found."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.relay.heartbeat import RESTORED_WITHIN_S, Heartbeat
from gateway.relay.vitals import Vitals
from shared.position import Position
from shared.settings import Settings

SETTINGS = Settings(lease_s=3, worker_silence_limit_s=60, queue_timeout_s=300)
HEARD, LATER = Position(1, 4), Position(1, 5)
GONE_S = SETTINGS.lease_s + RESTORED_WITHIN_S


def found(**differs: Any) -> Vitals:
    """One that runs, and is heard."""
    vitals = Vitals("running", HEARD, 0.5, None, False, None, False)
    return vitals._replace(**differs)


class Watched:
    """A feed that only remembers what was done with it, looked at *at*."""

    def __init__(self, at: float, missing_since: float | None) -> None:
        self.said: list[str] = []
        self.generation: Any = SimpleNamespace(id="gen_1", model="m")
        self.position, self.checked_at, self.missing_since = HEARD, at, missing_since
        reader: Any = SimpleNamespace(say_place=lambda place: self.said.append(f"place {place}"))
        self.subscribers = [reader]

    def fail(self, error: Exception) -> None:
        """It ends."""
        self.said.append(f"ends: {getattr(error, 'code', '')}")

    def fail_unended(self, error: Exception) -> None:
        """Who has read no end."""
        self.said.append("ends those without an end")

    def heal(self) -> None:
        """It reads the log."""
        self.said.append("reads the log")

    async def close(self, generation_id: str, error: Any, *, overdue_s: float) -> str:
        """It is given up."""
        self.said.append(f"closed {error.code} {overdue_s:g}")
        return "closed"


@pytest.mark.parametrize(
    ("vitals", "missing_since", "said"),
    [
        (found(), None, []),
        (found(), 50, []),  # its record is there again
        (found(top=LATER), None, ["reads the log"]),
        (found(state="done"), None, ["ends those without an end"]),
        (found(state="done", top=LATER), None, ["reads the log"]),
        (found(state="done", top=None), None, ["ends: gone"]),
        (found(top=None), None, []),
        # Its record is gone: its worker may still write it again.
        (found(state=None), None, []),
        (found(state=None), 100 - GONE_S, []),
        (found(state=None), 99 - GONE_S, ["ends: gone"]),
        (found(orphaned=True), None, ["closed worker_lost 0.001"]),
        (found(worker_age_s=60), None, []),
        # From its last sign of life, which is a lease before that runs out.
        (found(worker_age_s=60.1), None, ["closed worker_lost 57"]),
        (found(state="queued", worker_age_s=None, place=2, queued_s=300), None, ["place 2"]),
        (
            found(state="queued", worker_age_s=None, place=2, queued_s=301),
            None,
            ["closed queue_timeout 300", "place 2"],
        ),
        # It waits for its conversation, not for a worker.
        (found(state="queued", worker_age_s=None, place=None, queued_s=301), None, []),
    ],
)
async def test_what_is_found(vitals: Vitals, missing_since: float | None, said: list[str]) -> None:
    """What nobody will end is ended, what was missed is read, and nothing else is touched."""
    feed: Any = Watched(100, missing_since)
    heartbeat = object.__new__(Heartbeat)
    heartbeat._settings, heartbeat._generations = SETTINGS, feed
    await heartbeat._examine(feed, vitals)
    assert feed.said == said
    assert feed.missing_since == (None if vitals.state else missing_since or 100)
