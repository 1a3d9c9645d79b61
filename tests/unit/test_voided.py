"""What a `reset` voided is in nobody's answer, a tool call in the middle of its arguments included."""

import json
from importlib import import_module
from typing import Any

import msgspec
import pytest

from gateway.dialects.ag_ui.frames import AG_UI
from gateway.dialects.ai_sdk.frames import UI_MESSAGE
from gateway.dialects.anthropic.frames import MESSAGES
from gateway.dialects.native.frames import NATIVE
from gateway.dialects.openai.chat_frames import CHAT
from gateway.dialects.openai.response_frames import RESPONSES
from gateway.dialects.openai.response_object import ResponseObject
from gateway.relay.dialect import Dialect
from gateway.relay.ending import ENDING
from gateway.routes import ROUTES
from gateway.speech.frames import OPENAI_SPEECH, SPEECH
from shared.events import End, Event, Reasoning, Reset, Start, Text, ToolCall
from shared.generation import Generation
from shared.outcome import Outcome
from shared.position import Position

VOID = ToolCall(2, 0, id="void_call", name="void_name", arguments='{"void":')
KEPT = [
    ToolCall(4, 0, id="kept_call", name="kept_name", arguments='{"kept":'),
    ToolCall(5, 0, arguments="1}"),
]
LOG: list[Event] = [
    Start(ts=1, model="m"),
    Reasoning(2, "void thought"),
    Text(2, "void text"),
    VOID,
    Reset(ts=3),
    *KEPT,
    End(ts=6, finish_reason="tool_calls"),
]
#: What an encoder must know of the request, where it cannot do without.
OPTIONS: dict[str, Any] = {
    RESPONSES.name: ResponseObject(id="resp_x", created_at=1, model="m"),
    MESSAGES.name: {"thinking": True},
    AG_UI.name: {"run_id": "r", "messages": [{"id": "u", "role": "user", "content": "kept question"}]},
}


def generation(dialect: Dialect) -> Generation:
    """One whose encoder has all it needs."""
    said = msgspec.to_builtins(OPTIONS.get(dialect.name, {}))
    return Generation(
        id="gen_x",
        owner="o",
        state="running",
        model="m",
        queue="q",
        dialect=dialect.name,
        dialect_options=json.dumps(said),
        created_ms=1,
    )


def frames(dialect: Dialect, log: list[Event]) -> list[list[dict[str, Any]]]:
    """What it makes of each event."""
    encoder = dialect.encoder(generation(dialect))
    made = []
    for seq, event in enumerate(log):
        lines = encoder.encode(Position(1, seq), event).decode().splitlines()
        said = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        made.append([json.loads(line) for line in said if line != "[DONE]"])
    return made


DIALECTS = (NATIVE, CHAT, RESPONSES, UI_MESSAGE, MESSAGES, AG_UI)
RESET = LOG.index(Reset(ts=3))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_nothing_void_after_the_reset(dialect: Dialect) -> None:
    """No frame that follows has anything of what was voided, and all that was made since is there."""
    before, after = frames(dialect, LOG)[: RESET + 1], frames(dialect, LOG)[RESET + 1 :]
    assert "void" in json.dumps(before)
    assert "void" not in json.dumps(after)
    assert "kept_call" in json.dumps(after)
    assert "kept_name" in json.dumps(after)


def test_native() -> None:
    """It says `reset` between the two calls."""
    assert [frame["type"] for [frame] in frames(NATIVE, LOG)][RESET - 1 :] == [
        *("tool_call", "reset", "tool_call", "tool_call", "end"),
    ]


def test_chat() -> None:
    """It has no word for it: an error ends the stream, without an id to resume from."""
    raw = CHAT.encoder(generation(CHAT)).encode(Position(1, RESET), LOG[RESET])
    assert [set(frame) for frame in frames(CHAT, LOG)[RESET]] == [{"error"}]
    assert b"id:" not in raw
    assert raw.endswith(b"data: [DONE]\n\n")
    assert not CHAT.says_reset


def test_responses() -> None:
    """The new response has the new call alone, whole, as its first item."""
    last = frames(RESPONSES, LOG)[-1][-1]["response"]
    [item] = last["output"]
    assert (item["call_id"], item["name"], item["arguments"]) == ("kept_call", "kept_name", '{"kept":1}')
    assert item["id"].endswith("_0")


def test_ui_message() -> None:
    """The void call never becomes available; the new one does, once, with its whole input."""
    said = [frame for made in frames(UI_MESSAGE, LOG) for frame in made]
    assert [frame for frame in said if frame["type"] == "reset-step"]
    available = [frame for frame in said if frame["type"] == "tool-input-available"]
    assert [(frame["toolCallId"], frame["input"]) for frame in available] == [("kept_call", {"kept": 1})]
    assert not [frame for frame in said if frame["type"] == "tool-input-error"]
    text = frames(UI_MESSAGE, [*LOG[: RESET + 1], Text(4, "kept")])[-1]
    assert [frame["type"] for frame in text] == ["text-start", "text-delta"]


def test_messages() -> None:
    """An error ends the stream; after its id comes a whole new message, whose blocks count anew."""
    raw = MESSAGES.encoder(generation(MESSAGES)).encode(Position(1, RESET), LOG[RESET])
    assert raw.startswith(f"id: 1-{RESET}\nevent: error\n".encode())
    assert not MESSAGES.says_reset
    after = [frame for made in frames(MESSAGES, LOG)[RESET + 1 :] for frame in made]
    assert after[0]["type"] == "message_start"
    [start] = [frame for frame in after if frame["type"] == "content_block_start"]
    assert (start["index"], start["content_block"]["id"]) == (0, "kept_call")
    given = [frame["delta"]["partial_json"] for frame in after if frame["type"] == "content_block_delta"]
    assert "".join(given) == '{"kept":1}'


def test_ag_ui() -> None:
    """What is open is closed, and the thread told anew without what is void."""
    call, reset, snapshot = frames(AG_UI, LOG)[RESET]
    assert (call["type"], call["toolCallId"]) == ("TOOL_CALL_END", "void_call")
    assert (reset["type"], reset["name"]) == ("CUSTOM", "headrace.reset")
    assert [message["content"] for message in snapshot["messages"]] == ["kept question", ""]
    assert frames(AG_UI, LOG)[-1][-1]["outcome"]["pendingToolCallIds"] == ["kept_call"]


def test_the_record() -> None:
    """What is stored of it, and what a whole answer is made from."""
    outcome = Outcome()
    for event in LOG:
        outcome.add(event)
    fields = json.loads(outcome.closing("gen_x", End(ts=6, finish_reason="tool_calls")))["fields"]
    assert "void" not in json.dumps(fields)
    [call] = json.loads(fields["tool_calls"])
    assert (call["id"], call["name"], call["arguments"]) == ("kept_call", "kept_name", '{"kept":1}')
    assert outcome.text == ""


def test_every_dialect_is_here() -> None:
    """A new one joins the list above, unless it tells of sound."""
    modules = [import_module(route.handler.__module__) for route in ROUTES]
    found = {each.name for module in modules for each in vars(module).values() if isinstance(each, Dialect)}
    assert found - {ENDING.name, SPEECH.name, OPENAI_SPEECH.name} == {each.name for each in DIALECTS}
