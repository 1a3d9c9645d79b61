"""Reading server-sent events as the WHATWG specification says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sse import Frame, FrameTooLarge, SSEParser

STREAM = (
    "\ufeffretry: 700\n\n: a comment\r\n"
    'id: 1-0\ndata: {"a":"ü→"}\n\n'
    "id: 1-1\r\nevent: note\r\ndata: one\r\ndata:two\r\n\r\n"
    "data\r\rid: 1-2\n\n"
    "unknown: field\ndata:  two spaces\n\n"
    "data: never finished"
).encode()
FRAMES = [
    Frame('{"a":"ü→"}'.encode(), "message", "1-0"),
    Frame(b"one\ntwo", "note", "1-1"),
    Frame(b"", "message", "1-1"),
    Frame(b" two spaces", "message", "1-2"),
]


def test_whole() -> None:
    """Frames, multi-line data, types, and an id that stays until the next."""
    parser = SSEParser()
    assert parser.feed(STREAM) == FRAMES
    assert (parser.retry_ms, parser.last_event_id) == (700, "1-2")


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_cut_in_two(at: int) -> None:
    """It does not matter where the network cuts."""
    parser = SSEParser()
    assert parser.feed(STREAM[:at]) + parser.feed(STREAM[at:]) == FRAMES


@given(st.lists(st.integers(1, 9), max_size=200))
def test_cut_anywhere(sizes: list[int]) -> None:
    """… nor how often."""
    parser, rest, frames = SSEParser(), STREAM, []
    for size in sizes:
        frames += parser.feed(rest[:size])
        rest = rest[size:]
    assert frames + parser.feed(rest) == FRAMES


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    """No bytes whatsoever raise anything, and one by one they mean the same as at once."""
    whole, single = SSEParser(), SSEParser()
    frames = whole.feed(data)
    assert [frame for byte in data for frame in single.feed(bytes([byte]))] == frames


@pytest.mark.parametrize("data", [b"x" * 101, b"data: " + b"x" * 90 + b"\ndata: " + b"y" * 20])
def test_bounded(data: bytes) -> None:
    """Neither a line nor a frame may grow for ever."""
    with pytest.raises(FrameTooLarge):
        SSEParser(max_frame_bytes=100).feed(data)


def test_id_with_nul() -> None:
    """An id that holds a NUL is not one."""
    parser = SSEParser()
    parser.feed(b"id: 1-1\nid: 1-\x002\n\n")
    assert parser.last_event_id == "1-1"
