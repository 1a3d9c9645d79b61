"""Pictures of chat completions, however they are wrapped and cut; what is none, or too large, is told."""

import base64
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from shared import metrics
from shared.blobs import Blob
from shared.errors import BrokerRefused
from shared.events import Text
from worker.backends import Delta
from worker.backends.completion import Completion
from worker.backends.pictures import NewPicture
from worker.backends.scripted import drawn
from worker.backends.sse import MAX_EVENT_BYTES, MAX_PICTURE_BYTES, SSEParser
from worker.drawing import stored

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


async def test_what_becomes_of_it() -> None:
    """It is kept with its conversation, or as long as its record; what is not says why, and counts."""
    held: list[tuple[str, int | None]] = []

    async def put(owner: str, data: bytes, content_type: str, holder: str, for_ms: int | None) -> Blob:
        held.append((holder, for_ms))
        if data == b"refused":
            raise BrokerRefused
        return Blob("0" * 64, content_type, len(data))

    blobs, settings = SimpleNamespace(put=put, most_bytes=10), SimpleNamespace(record_retention_s=60)
    tools: Any = SimpleNamespace(blobs=blobs, settings=settings)
    words = ("kept", "too_large", "no_picture", "not_kept")
    counted = {word: metrics.pictures.labels(word).value for word in words}
    became = []
    for conversation, picture in (
        ("c1", NewPicture(1, b"x" * 10, "image/png")),
        (None, NewPicture(1, b"x", "image/png")),
        ("c1", NewPicture(1, b"x" * 11, "image/png")),
        ("c1", NewPicture(1, lost="no_picture")),
        ("c1", NewPicture(1, b"refused", "image/png")),
    ):
        generation: Any = SimpleNamespace(owner="o", id="gen_1", conversation=conversation)
        became.append((await stored(tools, generation, picture)).part)
    assert [part.lost for part in became] == [None, None, "too_large", "no_picture", "not_kept"]
    assert held == [("c1", None), ("gen_1", 60_000), ("c1", None)]
    moved = {word: metrics.pictures.labels(word).value - before for word, before in counted.items()}
    assert moved == {"kept": 2, "too_large": 1, "no_picture": 1, "not_kept": 1}
