"""The typed encoder after a `reset`: nothing of the void text is left in it."""

import json
from typing import Any

from gateway.dialects.native.frames import NATIVE
from gateway.dialects.native.typed import TYPED
from shared.events import End, Event, Reset, Start, Text
from shared.generation import Generation
from shared.position import Position

LOG: list[Event] = [
    Start(ts=1, model="m"),
    Text(2, "```js\nvoid\n| a |\n"),
    Text(2, "``"),
    Reset(ts=3),
    Text(4, "| b |"),
    End(ts=6, finish_reason="stop"),
]


def test_a_reset_begins_anew() -> None:
    """An open fence and what was held back are void too; what is held at the end comes before it."""
    generation = Generation(
        id="gen_x", owner="o", state="done", model="m", queue="q", dialect=NATIVE.name, created_ms=1
    )
    encoder = TYPED.encoder(generation)
    raw = b"".join(encoder.encode(Position(1, seq), event) for seq, event in enumerate(LOG)).decode()
    frames: list[dict[str, Any]] = [
        json.loads(line.removeprefix("data: ")) for line in raw.splitlines() if line.startswith("data: ")
    ]
    ids = [line.removeprefix("id: ") for line in raw.splitlines() if line.startswith("id: ")]
    assert [(frame["type"], frame.get("contentType"), frame["content"]) for frame in frames] == [
        ("start", None, ""),
        ("chunk", "text", "```js\n"),
        ("chunk", "code", "void\n| a |\n"),
        ("chunk", "code", ""),
        ("reset", None, ""),
        ("chunk", "text", ""),
        ("chunk", "text", "| b |"),
        ("end", None, ""),
    ]
    assert ids == ["1-0", "1-1.1", "1-1", "1-2", "1-3", "1-4", "1-5.1", "1-5"]
