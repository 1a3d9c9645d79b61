"""The upstream parser: however the bytes are cut, the payloads are the same and memory is bounded."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.failures import UpstreamInvalid
from worker.backends.sse import SSEParser

_STREAM_PIECES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"a",
        b"{}",
        "€".encode(),
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b": hi\n",
        b"event: x\n",
    ]
)


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    return [
        stream[a:b] for a, b in pairwise(sorted({0, *(p % (len(stream) + 1) for p in places), len(stream)}))
    ]


def _payloads(reads: list[bytes], max_event_bytes: int = 1024) -> list[bytes]:
    parser = SSEParser(max_event_bytes)
    return [payload for read in reads for payload in parser.feed(read)]


@given(st.lists(_STREAM_PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 200)))
def test_any_cutting_gives_the_same_payloads(stream: bytes, places: list[int]) -> None:
    """Where the network cuts the stream makes no difference."""
    assert _payloads(_cut(stream, places)) == _payloads([stream])


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_arbitrary_bytes_raise_nothing_but_invalid(reads: list[bytes]) -> None:
    """No bytes make the parser raise anything but its own error."""
    parser = SSEParser(max_event_bytes=50)
    try:
        for read in reads:
            parser.feed(read)
    except UpstreamInvalid:
        return


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"data\ndata\n\n", [b"\n"]),
        (b": a comment\n\nevent: message\nid: 1\nretry: 5\ndata: one\n\n", [b"one"]),
        (b"database: no\n\n", []),
        (b"\n\n\n", []),
        (b"data: cut short\n", []),
        (b"data: cut sh", []),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, payloads: list[bytes]) -> None:
    """HTML standard, section 9.2.6: line ends, the space after the colon, comments, several data lines."""
    assert _payloads([stream]) == payloads
    assert _payloads([stream[i : i + 1] for i in range(len(stream))]) == payloads


@pytest.mark.parametrize("read_bytes", [1, 7, 1000])
@pytest.mark.parametrize("line", [b"data: ", b"data: [", b"data: a\n", b": ", b""])
def test_an_event_over_the_bound_is_refused(line: bytes, read_bytes: int) -> None:
    """No event takes more memory than the bound, whether in one line or in many."""
    stream = line * 100 if line.endswith(b"\n") else line + b"x" * 150 + b"\n"
    with pytest.raises(UpstreamInvalid):
        _payloads(
            [stream[i : i + read_bytes] for i in range(0, len(stream), read_bytes)], max_event_bytes=100
        )


def test_a_line_that_trickles_in_costs_linear_time() -> None:
    """A megabyte byte by byte is not copied again for each byte."""
    parser = SSEParser()
    for _ in range(500_000):
        parser.feed(b"x")
    assert parser.feed(b"\ndata: one\n\n") == [b"one"]
