"""Pictures of chat completions, however they are wrapped and cut; what is none, or too large, is told."""

import base64
import json
import random
from typing import Any

import pytest

from shared.events import Text
from worker.backends import Delta
from worker.backends.completion import Completion
from worker.backends.pictures import NewPicture
from worker.backends.scripted import drawn
from worker.backends.sse import MAX_EVENT_BYTES, MAX_PICTURE_BYTES, SSEParser

SMALL = drawn(1)
#: Over the bound of an event.
LARGE = SMALL + random.Random(1).randbytes(2 * MAX_EVENT_BYTES)
TOO_LARGE = SMALL + b"x" * MAX_PICTURE_BYTES


def url(data: bytes) -> str:
    """As nearly every server sends it."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def said(delta: dict[str, Any], escaped: bool = False) -> bytes:
    """An answer of one delta."""
    chunk = json.dumps({"choices": [{"index": 0, "delta": delta}]})
    if escaped:
        chunk = chunk.replace("/", "\\/")
    end = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return f"data: {chunk}\n\ndata: {end}\n\ndata: [DONE]\n\n".encode()


def read(answer: bytes, piece: int = 0) -> list[Delta]:
    """What comes of it, cut into reads of so many bytes."""
    parser, completion, deltas = SSEParser(), Completion(), list[Delta]()
    step = piece or len(answer)
    for at in range(0, len(answer), step):
        completion.take(parser.feed(answer[at : at + step]), deltas)
    completion.finish(deltas)
    return deltas


def of(address: Any) -> dict[str, Any]:
    """One of `images`, as OpenRouter has them."""
    return {"type": "image_url", "image_url": {"url": address}}


@pytest.mark.parametrize("piece", [0, 61_001])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "delta",
    [
        lambda data: {"content": "Look", "images": [of(url(data))]},
        lambda data: {"content": "Look", "images": [{"url": url(data)}]},
        lambda data: {"content": "Look", "images": [{"b64_json": base64.b64encode(data).decode()}]},
        lambda data: {"content": [{"type": "text", "text": "Look"}, of(url(data))]},
    ],
    ids=["openrouter", "url", "bare", "content"],
)
def test_every_wrapping(delta: Any, data: bytes, piece: int) -> None:
    """The bytes that were sent, after the text that they came with; escaped slashes or not."""
    if data is LARGE and "b64_json" in str(delta(b"")):
        pytest.skip("what says of itself that it is a picture is known by its beginning")
    for escaped in (False, True):
        text, picture = read(said(delta(data), escaped), piece)
        assert isinstance(text, Text) and text.text == "Look"
        assert isinstance(picture, NewPicture)
        assert (picture.data, picture.content_type, picture.lost) == (data, "image/png", None)


@pytest.mark.parametrize(
    ("address", "lost"),
    [
        (url(b"<svg onload=alert(1)>"), "no_picture"),
        (url(b"plain text"), "no_picture"),
        ("data:image/svg+xml,<svg/>", "no_picture"),
        ("data:image/png;base64,!!!", "no_picture"),
        ("javascript:alert(1)", "no_picture"),
        ("file:///etc/passwd", "no_picture"),
        (url(TOO_LARGE), "too_large"),
    ],
)
def test_what_is_lost(address: str, lost: str) -> None:
    """It is told, and the answer goes on."""
    [text, picture] = read(said({"content": "Look", "images": [of(address)]}))
    assert isinstance(picture, NewPicture) and isinstance(text, Text)
    assert (picture.data, picture.lost) == (b"", lost)


def test_a_picture_elsewhere() -> None:
    """It stays there: the text says where, and nothing in its address is markup."""
    _, picture = read(said({"content": "Look", "images": [of("https://example.org/a b).png")]}))
    assert isinstance(picture, Text)
    assert picture.text.strip() == "![](https://example.org/a%20b%29.png)"


def test_a_picture_alone_is_an_answer() -> None:
    """Also in a message that is not streamed, and none is said twice."""
    assert len(read(said({"images": [of(url(SMALL)), of(url(LARGE))]}))) == 2
    message = {"role": "assistant", "content": None, "images": [of(url(SMALL))]}
    whole = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    completion, deltas = Completion(), list[Delta]()
    completion.take([whole.encode()], deltas)
    completion.finish(deltas)
    assert [type(delta) for delta in deltas] == [NewPicture]


@pytest.mark.parametrize("odd", [None, 5, "", [], {}, [None], [[[]]], {"image_url": {"url": 5}}])
def test_odd_images(odd: Any) -> None:
    """They cost nothing of the text."""
    assert [d.text for d in read(said({"content": "Look", "images": odd})) if isinstance(d, Text)] == ["Look"]
