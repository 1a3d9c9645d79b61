"""Every dialect answers for every kind of event, of content part and of error that the code knows."""

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec
import pytest

from gateway.dialects.ag_ui.messages import ThreadMessage
from gateway.dialects.ag_ui.messages import chat_messages as of_thread
from gateway.dialects.ai_sdk.messages import UIMessage
from gateway.dialects.ai_sdk.messages import chat_messages as of_ui_messages
from gateway.dialects.anthropic.content import InputMessage
from gateway.dialects.anthropic.content import chat_messages as of_messages
from gateway.dialects.openai.response_items import chat_messages as of_items
from gateway.relay.dialect import Dialect
from gateway.routes import ROUTES
from shared import errors, events, failures
from shared.errors import AccessEnded, HeadraceError, InvalidRequest
from shared.events import Audio, End, Error, Event, HandOver, Picture, Reasoning, Reset, Start, Text, ToolCall
from shared.failures import GenerationFailed
from shared.parts import Part
from tests.unit.test_voided import DIALECTS, frames, generation

#: One of each kind of event that tells a reply; `integration/test_speech.py` has what tells a speech.
#: `test_every_kind_is_here` fails for a kind that is added to the log's words.
EVENTS: dict[type[Event], Event] = {
    Start: Start(ts=1, model="m"),
    Text: Text(1, "some text"),
    Reasoning: Reasoning(1, "some thought"),
    ToolCall: ToolCall(1, 0, id="call", name="tool", arguments='{"some":"input"}'),
    Picture: Picture(ts=1, part=Part(type="image", blob="b" * 64, content_type="image/png")),
    Reset: Reset(ts=1, reason="worker_lost"),
    HandOver: HandOver(ts=1, upstream="second", reason="upstream_broke"),
    End: End(ts=1, finish_reason="stop"),
    Error: Error(ts=1, code="upstream_broke", message="some failure"),
}
#: What has to be found in a dialect's frames of it.
TOLD = {
    Text: "some text",
    Reasoning: "some thought",
    ToolCall: '{"some":"input"}',
    Picture: "b" * 64,
    Reset: "reset",
    Error: "some failure",
}


def kinds(root: type[HeadraceError]) -> Iterator[type[HeadraceError]]:
    """*root* and all below it."""
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


ERRORS = sorted({*kinds(HeadraceError)}, key=lambda kind: kind.__name__)
CODES = sorted({kind.code for kind in kinds(GenerationFailed)})
SHAPES = {route.error_shape.answer.__name__: route.error_shape for route in ROUTES}


def test_every_kind_is_here() -> None:
    """A kind of event that joins the log's words joins the list above."""
    assert {*EVENTS, Audio} == set(get_args(events.Event))
    assert vars(errors) and vars(failures)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event(dialect: Dialect, kind: type[Event]) -> None:
    """It has frames for it, first in a log or after others, and they say what the event does."""
    event = EVENTS[kind]
    for log in ([event], [EVENTS[Start], event], [EVENTS[Start], EVENTS[Text], event]):
        *_, made = frames(dialect, log)
        # Which server answers is the native API's to tell.
        assert made or kind in {Start, HandOver, End}, f"nothing is said of {event}"
        if kind in TOLD:
            told = json.dumps(made)
            # Without a word for it, a reset is the failure that it came from.
            assert TOLD[kind] in told.replace("\\", "") or (kind is Reset and "worker_lost" in told)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_reader_who_may_read_no_more(dialect: Dialect) -> None:
    """Is told why, without an id to resume after: it is no event of the log."""
    said = dialect.refuse(generation(dialect), AccessEnded("some words"))
    assert b"some words" in said and b"id:" not in said and said.endswith(b"\n\n")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("code", CODES)
def test_every_failure(dialect: Dialect, code: str) -> None:
    """An answer that fails says so in its last frame, with our code and the words for people."""
    log: list[Event] = [EVENTS[Start], EVENTS[Text], Error(ts=2, code=code, message="some failure")]
    last = json.dumps(frames(dialect, log)[-1][-1])
    assert "some failure" in last
    assert "error" in last.lower()
    assert code in last or dialect.name == "ui_message"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error(shape: Any, kind: type[HeadraceError]) -> None:
    """An answer of 400 and above has the words for people, our code, and the field at fault."""
    error = kind("some words", field="some.field")
    body = msgspec.to_builtins(shape.of(error, "req_1"))
    msgspec.convert(body, shape.answer)
    told = json.dumps(body)
    assert all(word in told for word in ("some words", kind.code, "some.field"))
    assert 400 <= shape.status(error) < 600
    assert (shape.status(error) >= 500) == (error.status >= 500)


DATA = "data:image/png;base64,AA=="
PDF = "data:application/pdf;base64,AA=="
TEXT_PART = {"type": "text", "text": "words"}
PICTURE = {"type": "image_url", "image_url": {"url": DATA}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
FILE = {"type": "file"}


def ui(part: Any) -> Any:
    """A user's part, as the AI SDK's page sends it."""
    return of_ui_messages([UIMessage("1", "user", [{"type": "text", "text": "words"}, part])], 1000)


def items(part: Any) -> Any:
    """As clients of Responses send it."""
    return of_items([{"role": "user", "content": [{"type": "input_text", "text": "words"}, part]}])


def blocks(part: Any) -> Any:
    """As Anthropic's clients send it."""
    return of_messages(None, [InputMessage("user", [TEXT_PART, part])])


def thread(part: Any) -> Any:
    """As AG-UI's clients send it."""
    return of_thread([ThreadMessage(id="1", role="user", content=[TEXT_PART, part])], 1000)


def agui(kind: str, mime: str, source: str = "data") -> Any:
    """A part of AG-UI."""
    return {"type": kind, "source": {"type": source, "value": "AA==", "mimeType": mime}}


@pytest.mark.parametrize(
    ("said", "part", "expected"),
    [
        (items, {"type": "input_image", "image_url": DATA}, PICTURE),
        (items, {"type": "input_audio", "input_audio": SOUND["input_audio"]}, SOUND),
        (items, {"type": "input_file", "file_data": PDF}, FILE),
        (items, {"type": "video"}, None),
        (ui, {"type": "file", "mediaType": "image/png", "url": DATA}, PICTURE),
        (ui, {"type": "file", "mediaType": "audio/wav", "url": "data:audio/wav;base64,AA=="}, SOUND),
        (ui, {"type": "file", "mediaType": "application/pdf", "url": PDF}, FILE),
        (ui, {"type": "file", "mediaType": "video/mp4", "url": "data:video/mp4;base64,AA=="}, None),
        (
            blocks,
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            PICTURE,
        ),
        (blocks, {"type": "image", "source": {"type": "url", "url": DATA}}, PICTURE),
        (blocks, {"type": "image", "source": {"type": "file", "file_id": "f"}}, None),
        (blocks, {"type": "audio", "source": {}}, None),
        (
            blocks,
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
            },
            FILE,
        ),
        (
            blocks,
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            TEXT_PART,
        ),
        (blocks, {"type": "document", "source": {"type": "url", "url": "https://example.org"}}, None),
        (blocks, {"type": "video"}, None),
        (thread, agui("image", "image/png"), PICTURE),
        (thread, agui("audio", "audio/wav"), SOUND),
        (thread, agui("document", "application/pdf"), FILE),
        (thread, agui("image", "image/png", "file"), None),
        (thread, agui("video", "video/mp4"), None),
    ],
)
def test_every_part(said: Callable[[Any], Any], part: Any, expected: Any) -> None:
    """Each kind of part reaches the model as chat writes it, or is refused by its place: none is left out."""
    if expected is None:
        with pytest.raises(InvalidRequest) as refused:
            said(part)
        assert "1" in str(refused.value.field)
        return
    [message] = said(part)
    words, given = message["content"]
    assert words == TEXT_PART
    assert given["type"] == expected["type"]
    if expected in (PICTURE, SOUND):
        assert given == expected
