"""What must hold of a generation, whatever was broken while it ran."""

from typing import Any

from shared import events, keys
from shared.events import End, Error, Reset, Text
from shared.position import Position
from tests.chaos.follower import Follower
from worker.backends.script import expected_text


def log_of(redis: Any, generation_id: str) -> list[tuple[Position, events.Event]]:
    """A generation's whole log."""
    return [
        (Position.of(entry), event)
        for entry, fields in redis.xrange(keys.LOG + generation_id)
        if (event := events.decode(fields[b"e"])) is not None
    ]


def text_of(log: list[tuple[Position, events.Event]]) -> str:
    """The answer that a log holds."""
    said: list[str] = []
    for _, event in log:
        if isinstance(event, Text):
            said.append(event.text)
        elif isinstance(event, Reset):
            said.clear()
    return "".join(said)


def faults_of(follower: Follower, redis: Any, options: dict[str, Any]) -> list[str]:
    """Everything that is wrong with what *follower* got and with its log; nothing, if all is well."""
    wrong = []
    name = follower.generation_id or "never accepted"
    log = log_of(redis, follower.generation_id)
    ends = [isinstance(event, End | Error) for _, event in log]
    if ends.count(True) != 1 or not ends[-1]:
        wrong.append(f"{ends.count(True)} terminal events in the log")
    if len(follower.terminals) != 1:
        wrong.append(f"{len(follower.terminals)} terminal events at the reader")
    read, logged = [Position.parse(each) for each in follower.ids], [position for position, _ in log]
    if _kept(read, log) != logged:
        wrong.append(f"read {_brief(read)}, logged {_brief(logged)}")
    if follower.text != text_of(log):
        wrong.append("the reader's text is not the log's")
    expected = expected_text(options)
    whole = (
        follower.terminals[0]["type"] == "end" and follower.code != "cancelled"
        if follower.terminals
        else False
    )
    if (follower.text != expected) if whole else not expected.startswith(follower.text):
        wrong.append(f"the text is not the script's: {follower.text[-60:]!r}")
    return [f"{name}: {fault}" for fault in wrong]


def _kept(read: list[Position], log: list[tuple[Position, events.Event]]) -> list[Position]:
    """What was *read*, without what a broker has lost with its worker, if the reader was told so."""
    torn = [position for position, event in log if isinstance(event, Reset) and event.told_again]
    logged = {position for position, _ in log}
    return [each for each in read if each in logged or not torn or each > torn[-1]]


def _brief(positions: list[Position]) -> str:
    text = [str(position) for position in positions]
    return " ".join(text if len(text) < 12 else [*text[:5], "…", *text[-5:]]) + f" ({len(text)})"
