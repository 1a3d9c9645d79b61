"""
Both parsers of server-sent events against the golden corpus that the TypeScript client reads as well.

A case names its frames: `id` is what the event itself carried, `last_event_id` what the stream had
named by then.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import events
from headrace.sse import Frame, SSEParser
from worker.backends.sse import SSEParser as UpstreamParser

CORPUS = Path(__file__).parents[2] / "gateway" / "web" / "corpus"
CASES: list[dict[str, Any]] = [
    case for file in sorted(CORPUS.glob("*.json")) for case in json.loads(file.read_bytes())
]
NATIVE = [case for case in CASES if "events" in case]
#: The upstream's bytes reach its parser after any byte order mark.
UPSTREAM = [case for case in CASES if "byte order mark" not in case["name"]]

#: What the Python client calls the parts of an event.
_NAMES = {
    "generationId": "generation_id",
    "conversationId": "conversation_id",
    "finishReason": "finish_reason",
}
_KINDS: dict[str, type] = {
    "queued": events.Queued,
    "start": events.Started,
    "chunk": events.Chunk,
    "reasoning": events.Reasoning,
    "tool_call": events.ToolCall,
    "reset": events.Reset,
    "end": events.Ended,
    "error": events.Failed,
}


def named(case: dict[str, Any]) -> str:
    """A case in a test's name."""
    return str(case["name"])


def stream(case: dict[str, Any]) -> bytes:
    """A case's bytes."""
    return bytes.fromhex(case["hex"]) if "hex" in case else str(case["stream"]).encode()


def cuttings(data: bytes) -> Iterator[list[bytes]]:
    """All bytes at once, one by one, and cut in two at every place."""
    yield [data]
    yield [bytes([byte]) for byte in data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


def test_the_corpus_is_there() -> None:
    """A corpus that moved away would pass every test."""
    assert len(CASES) >= 60
    assert len({named(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_client(case: dict[str, Any]) -> None:
    """The Python client's parser gives the corpus's frames, wherever the bytes are cut."""
    wanted = [(frame["data"], frame["event"], frame["last_event_id"]) for frame in case["frames"]]
    for reads in cuttings(stream(case)):
        parser = SSEParser()
        frames: list[Frame] = [frame for read in reads for frame in parser.feed(read)]
        assert [(frame.data.decode(errors="replace"), frame.event, frame.id) for frame in frames] == wanted
        assert (parser.last_event_id, parser.retry_ms) == (case["last_event_id"], case["retry_ms"])


@pytest.mark.parametrize("case", UPSTREAM, ids=named)
def test_upstream(case: dict[str, Any]) -> None:
    """The worker's parser gives the same payloads."""
    wanted = [frame["data"] for frame in case["frames"]]
    for reads in cuttings(stream(case)):
        parser = UpstreamParser()
        payloads = [payload for read in reads for payload in parser.feed(read)]
        assert [payload.decode(errors="replace") for payload in payloads] == wanted


@pytest.mark.parametrize("case", NATIVE, ids=named)
def test_events(case: dict[str, Any]) -> None:
    """The frames of the native dialect mean the same to both clients."""
    parser = SSEParser()
    parsed = [events.parse(frame.data, frame.id or None) for frame in parser.feed(stream(case))]
    assert len(parsed) == len(case["events"])
    for event, wanted in zip(parsed, case["events"], strict=True):
        kind = _KINDS.get(wanted["type"])
        assert (event is None) if kind is None else isinstance(event, kind)
        for name, value in wanted.items():
            field = _NAMES.get(name, name)
            if hasattr(event, field):
                assert getattr(event, field) == value, field
