"""What must hold after every test, whatever it did."""

import asyncio
from pathlib import Path
from typing import Any

from shared import events, keys
from shared.events import End, Error
from tests.kit.eventually import eventually

_OURS = {"gateway", "shared", "worker"}
_ROOT = Path(__file__).parents[2]


def keys_without_ttl(broker: Any) -> list[str]:
    """Keys that would stay for ever; there must be none."""
    return [key.decode() for key in broker.scan_iter(count=1000) if broker.pttl(key) == -1]


def generations(broker: Any) -> dict[str, str]:
    """The state of every generation that has a record."""
    states = {}
    for key in broker.scan_iter(match=keys.RECORD + "*", count=1000):
        state = broker.hget(key, "state")
        states[key.decode().removeprefix(keys.RECORD)] = state.decode() if state else "expired"
    return states


def not_ended(broker: Any) -> list[str]:
    """Generations that are still to end."""
    return [g for g, state in generations(broker).items() if state in {"queued", "running"}]


def badly_ended(broker: Any) -> list[str]:
    """Ended generations whose log does not have exactly one terminal event, or not as its last."""
    wrong = []
    for generation_id, state in generations(broker).items():
        log = broker.xrange(keys.LOG + generation_id)
        if not log or state not in {"done", "failed", "cancelled"}:
            continue
        terminal = [isinstance(events.decode(fields[b"e"]), End | Error) for _, fields in log]
        if terminal.count(True) != 1 or not terminal[-1]:
            wrong.append(f"{generation_id} {state} {log[-3:]}")
    return wrong


async def settled(broker: Any, timeout_s: float = 5) -> None:
    """Once every generation has come to its one end: check what is left of them, and remove it."""
    await eventually(
        lambda: not not_ended(broker), lambda: f"generations end: {not_ended(broker)}", timeout_s
    )
    assert not (wrong := badly_ended(broker)), wrong
    assert not (eternal := keys_without_ttl(broker)), eternal
    broker.flushdb()


def unfinished_tasks() -> list[str]:
    """Tasks of ours that nobody awaits any more; there must be none once all is closed."""
    return [repr(task) for task in asyncio.all_tasks() if _is_ours(task)]


def _is_ours(task: "asyncio.Task[object]") -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    if code is None or not Path(code.co_filename).is_relative_to(_ROOT):
        return False
    return Path(code.co_filename).relative_to(_ROOT).parts[0] in _OURS
