"""An upstream's chunks as deltas: each field by itself, and nothing that nobody reads fails anything."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Reasoning, Text, Usage
from shared.failures import UpstreamCutShort, UpstreamError, UpstreamFailed
from worker.backends import Delta, Finished
from worker.backends.completion import Completion
from worker.backends.reasons import reason_of
from worker.backends.sse import SSEParser
from worker.backends.think_tags import ThinkTags

_HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "model": "gpt-x",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "usage": None,
    "error": None,
}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_HEAD, "choices": [choice]}


_CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_CHUNKS: list[dict[str, Any]] = [
    _chunk({"role": "assistant", "content": "", "refusal": None}),
    _chunk({"reasoning_content": "hm", "content": None}),
    _chunk({"content": "Hello", "images": [{"type": "image_url", "image_url": {"url": "data:x"}}]}),
    _chunk({"content": " there.", "annotations": [], "audio": {"id": "a"}}),
    _chunk({"tool_calls": [_CALL], "content": None}),
    _chunk({}, "stop"),
    {
        **_HEAD,
        "choices": [],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    },
]

_Path = tuple[str | int, ...]


def _paths(value: Any, at: _Path = ()) -> Iterator[_Path]:
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*at, key))


#: Where the text is.
_OF_THE_TEXT: set[tuple[int, _Path]] = {
    (chunk, path)
    for chunk in (2, 3)
    for path in (
        ("choices",),
        ("choices", 0),
        ("choices", 0, "delta"),
        ("choices", 0, "delta", "content"),
    )
}
_PLACES = [(i, path) for i, chunk in enumerate(_CHUNKS) for path in _paths(chunk)]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _read(payloads: list[bytes], **options: Any) -> list[Delta]:
    completion, deltas = Completion(**options), list[Delta]()
    completion.take(payloads, deltas)
    finished = completion.finish(deltas)
    return [*deltas, finished]


def _text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def _thoughts(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Reasoning))


def _contents(*contents: str, finish_reason: str | None = "stop") -> list[bytes]:
    chunks = [_chunk({"content": content}) for content in contents] + [_chunk({}, finish_reason)]
    return [msgspec.json.encode(chunk) for chunk in chunks]


@given(st.sampled_from(_PLACES), _VALUES)
def test_any_field_may_be_anything(place: tuple[int, _Path], value: Any) -> None:
    """In any valid chunk, a field of any value costs that field; a whole text never fails."""
    number, path = place
    says_error = (path[-1] == "error" and value) or (
        path[-1] == "finish_reason" and isinstance(value, str) and reason_of(value) == "error"
    )
    if says_error:
        return
    chunks = copy.deepcopy(_CHUNKS)
    parent: Any = chunks[number]
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    deltas = _read([msgspec.json.encode(chunk) for chunk in chunks])
    assert isinstance(deltas[-1], Finished)
    if place not in _OF_THE_TEXT:
        assert "Hello" in _text(deltas)
        assert " there." in _text(deltas)


@given(st.text(min_size=1, max_size=20), st.lists(st.integers(0, 40)))
def test_characters_cut_anywhere(text: str, cuts: list[int]) -> None:
    """Chunks may be cut inside of a character's two escapes: the text is the same."""
    units = [text.encode("utf-16-le")[i : i + 2] for i in range(0, len(text.encode("utf-16-le")), 2)]
    places = sorted({0, *(cut % (len(units) + 1) for cut in cuts), len(units)})
    pieces = [
        "".join(f"\\u{int.from_bytes(unit, 'little'):04x}" for unit in units[a:b])
        for a, b in pairwise(places)
    ]
    payloads = [b'{"choices":[{"delta":{"content":"%s"}}]}' % piece.encode() for piece in pieces]
    assert _text(_read([*payloads, *_contents()])) == text


def test_half_a_character_is_shown_as_such() -> None:
    """Alone in a text, anywhere; and it costs nothing where nobody reads it."""
    lonely = b'{"id":"\\ud83d","x":["\\ude00"],"choices":[{"delta":{"content":"a\\ud83d"}}]}'
    deltas = _read([lonely, b'{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}'])
    assert _text(deltas) == "a\ufffdb"
    assert _text(_read([lonely, b"[DONE]"])) == "a\ufffd"


def test_a_picture_costs_its_field() -> None:
    """An event over the bound is read past its long strings; a text that is too long is said to be so."""
    picture = b'{"choices":[{"delta":{"content":"Look:","images":["%s"]}}]}' % (b"A\\/" * 700_000)
    text = b'{"choices":[{"delta":{"content":"%s"}}]}' % (b"A" * 2_000_000)
    for size in (1_000, 65_536, len(picture) + 100):
        stream = b"data: " + picture + b"\n\ndata: [DONE]\n\n"
        parser, payloads = SSEParser(), list[bytes]()
        for at in range(0, len(stream), size):
            payloads += parser.feed(stream[at : at + size])
        assert _text(_read(payloads)) == "Look:"
    with pytest.raises(UpstreamError, match="too large"):
        _read(SSEParser().feed(b"data: " + text + b"\n\n"))


@pytest.mark.parametrize(
    ("choice", "thought"),
    [
        ({"delta": {"content": [{"text": "Hi"}]}, "message": {"content": "Hi"}}, ""),
        ({"delta": {"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"text": "Hi"}]}}, "hm"),
    ],
)
def test_a_choice_that_is_read_with_care(choice: dict[str, Any], thought: str) -> None:
    """It is said once, its thoughts as such; its reason, which comes in the same chunk, is the end."""
    completion, deltas = Completion(), list[Delta]()
    completion.take([msgspec.json.encode({"choices": [choice | {"finish_reason": "stop"}]})], deltas)
    assert (_thoughts(deltas), _text(deltas)) == (thought, "Hi")
    assert completion.ended and not completion.goes_on


_THINKING = "<think>\nLet me see.\n</think>\n\nFour, not <think>five</think>."


@given(st.lists(st.integers(0, len(_THINKING))))
def test_thinking_in_the_text(cuts: list[int]) -> None:
    """Between tags at its head a text is reasoning, cut anywhere; without being told so it is text."""
    places = sorted({0, *cuts, len(_THINKING)})
    pieces = _contents(*(_THINKING[a:b] for a, b in pairwise(places)))
    deltas = _read(pieces, tags=ThinkTags())
    assert (_thoughts(deltas), _text(deltas)) == ("Let me see.", "Four, not <think>five</think>.")
    assert (_thoughts(_read(pieces)), _text(_read(pieces))) == ("", _THINKING)


@pytest.mark.parametrize(
    ("content", "thought", "text"),
    [
        ("Four.", "", "Four."),
        ("<th", "", "<th"),
        (" <b>Four</b>", "", " <b>Four</b>"),
        ("<think></think>Four.", "", "Four."),
        ("<think>cut off </thi", "cut off </thi", ""),
        ("No <think>tags</think>", "", "No <think>tags</think>"),
    ],
)
def test_tags_that_are_none(content: str, thought: str, text: str) -> None:
    """Nothing is lost where tags are missing, cut off or elsewhere."""
    for pieces in ([content], list(content)):
        deltas = _read(_contents(*pieces), tags=ThinkTags())
        assert (_thoughts(deltas), _text(deltas)) == (thought, text)


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        ({"prompt_tokens": 5.0, "completion_tokens": 2}, Usage(5, 2, 7)),
        ({"input_tokens": 5, "output_tokens": 2}, Usage(5, 2, 7)),
        ({"prompt_tokens": 5, "total_tokens": 9}, Usage(5, 4, 9)),
        ({"prompt_tokens": 5, "completion_tokens": "many"}, Usage(5, 0, 5, estimated=True)),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4},
            Usage(5, 2, 7, cached_tokens=4),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(5, 4, 9, cached_tokens=0, reasoning_tokens=3),
        ),
        ([], None),
        ({}, None),
        ({"prompt_tokens": -1, "completion_tokens": True}, None),
    ],
)
def test_usage(counted: Any, usage: Usage | None) -> None:
    """What was counted is kept field by field, under whichever name."""
    payload = msgspec.json.encode({**_chunk({"content": "x"}, "stop"), "usage": counted})
    finished = _read([payload])[-1]
    assert isinstance(finished, Finished)
    assert finished.usage == usage


def test_nothing_is_no_answer() -> None:
    """Neither `[DONE]` alone, nor a role, nor a stop of which nobody says that it cost anything."""
    role = msgspec.json.encode(_chunk({"role": "assistant", "content": ""}))
    for payloads in ([b"[DONE]"], [role, b"[DONE]"], [role, *_contents()], [b"", b" "], []):
        with pytest.raises(UpstreamFailed):
            _read(payloads)
    filtered = _read([*_contents(finish_reason="content_filter")])[-1]
    assert isinstance(filtered, Finished)
    assert filtered.finish_reason == "content_filter"
    assert isinstance(_read(_contents(), continued=True)[-1], Finished)


def test_a_continuation_of_nothing_is_cut_short() -> None:
    """What was there before is no answer of this server's: without a word or a reason it has not ended."""
    role = msgspec.json.encode({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
    for payloads in ([], [b"[DONE]"], [role], [role, b"[DONE]"]):
        with pytest.raises(UpstreamCutShort):
            _read(payloads, continued=True)
