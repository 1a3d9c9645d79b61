"""AG-UI's events follow from the log alone, and each is what the protocol's own types take."""

import json
from typing import Any

import pytest
from ag_ui.core import Event as ProtocolEvent
from ag_ui.core import RunAgentInput
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.dialects.ag_ui.frames import AG_UI
from gateway.dialects.ag_ui.messages import ThreadMessage, chat_messages
from gateway.edge.body import checked
from shared.errors import InvalidRequest
from shared.events import End, Error, Event, Reasoning, Reset, Start, Text, ToolCall, Usage
from shared.generation import Generation
from shared.outcome import Outcome
from shared.position import Position

OPTIONS = {"run_id": "run", "messages": [{"id": "u", "role": "user", "content": "Hi"}], "state": {"n": 1}}
GENERATION = Generation(
    id="gen_x",
    owner="o",
    state="running",
    model="m",
    queue="m",
    dialect=AG_UI.name,
    conversation="thread",
    dialect_options=json.dumps(OPTIONS),
    created_ms=1000,
)
PROTOCOL: TypeAdapter[Any] = TypeAdapter(ProtocolEvent)

middles = st.lists(
    st.one_of(
        st.builds(Start, ts=st.just(1), model=st.just("m")),
        st.builds(Text, st.just(1), st.text(min_size=1, max_size=4)),
        st.builds(Reasoning, st.just(1), st.text(min_size=1, max_size=4)),
        st.builds(
            ToolCall,
            st.just(1),
            st.integers(0, 2),
            arguments=st.text(max_size=3),
        ),
        st.just(Reset(ts=1)),
    ),
    max_size=12,
)
ends = st.one_of(
    st.builds(
        lambda reason: End(ts=5, finish_reason=reason, usage=Usage(1, 2, 3)),
        st.sampled_from(["stop", "length", "tool_calls", "cancelled", "odd"]),
    ),
    st.just(Error(ts=5, code="upstream_broke", message="It broke.")),
)


def as_workers_log(middle: list[Event], end: Event) -> list[Event]:
    """With ids and names as they come: on a call's first piece, and only there."""
    told: set[int] = set()
    log: list[Event] = []
    for event in middle:
        if isinstance(event, Reset):
            told.clear()
        elif isinstance(event, ToolCall) and event.index not in told:
            told.add(event.index)
            name, arguments = f"call_{event.index}_{len(log)}", event.arguments
            event = ToolCall(event.ts, event.index, id=name, name="name", arguments=arguments)
        log.append(event)
    return [*log, end]


logs = st.builds(as_workers_log, middles, ends)


def said(log: list[Event]) -> list[list[dict[str, Any]]]:
    """What it makes of each event."""
    encoder = AG_UI.encoder(GENERATION)
    made = []
    for seq, event in enumerate(log):
        blocks = encoder.encode(Position(1, seq), event).split(b"\n\n")[:-1]
        assert [b"id: " in block for block in blocks] == [False] * (len(blocks) - 1) + [True] * bool(blocks)
        made.append([json.loads(block.partition(b"data: ")[2]) for block in blocks])
    return made


class Client:
    """What the protocol has a client check: what opens is closed before the end of its run."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.calls: dict[str, str] = {}
        self.open: set[str] = set()
        self.ended = False

    def hear(self, event: dict[str, Any]) -> None:
        """Raises where the event may not come now."""
        assert not self.ended
        match event["type"]:
            case "TEXT_MESSAGE_START" | "REASONING_START" | "STEP_STARTED" | "TOOL_CALL_START":
                name = event.get("messageId") or event.get("stepName") or event["toolCallId"]
                assert name not in self.open
                self.open.add(name)
                if event["type"] == "TEXT_MESSAGE_START":
                    self.messages[name] = ""
                if event["type"] == "TOOL_CALL_START":
                    assert name not in self.calls
                    self.calls[name] = ""
            case "TEXT_MESSAGE_CONTENT":
                assert event["messageId"] in self.open
                self.messages[event["messageId"]] += event["delta"]
            case "TOOL_CALL_ARGS":
                assert event["toolCallId"] in self.open
                self.calls[event["toolCallId"]] += event["delta"]
            case "TEXT_MESSAGE_END" | "REASONING_END" | "STEP_FINISHED" | "TOOL_CALL_END":
                self.open.remove(event.get("messageId") or event.get("stepName") or event["toolCallId"])
            case "MESSAGES_SNAPSHOT":
                self.messages, self.calls = {}, {}
            case "RUN_FINISHED":
                assert not self.open
                self.ended = True
            case "RUN_ERROR":
                self.ended = True


@given(log=logs)
def test_every_log_is_a_run(log: list[Event]) -> None:
    """Each event is the protocol's, in an order that it allows, and adds up to what the record has."""
    outcome, client = Outcome(), Client()
    for event, frames in zip(log, said(log), strict=True):
        outcome.add(event)
        for frame in frames:
            PROTOCOL.validate_python(frame)
            client.hear(frame)
    assert client.ended
    assert "".join(client.messages.values()) == outcome.text
    assert client.calls == {call.id: call.arguments for call in outcome.tool_calls}


def test_the_head_of_a_run() -> None:
    """It begins with its own ids and the state that its client sent, and then the attempt as a step."""
    run, state, step = said([Start(ts=7, model="m")])[0]
    assert run == {
        "type": "RUN_STARTED",
        "threadId": "thread",
        "runId": "run",
        "protocolVersion": "1.0",
        "timestamp": 7,
    }
    assert (state["type"], state["snapshot"]) == ("STATE_SNAPSHOT", {"n": 1})
    assert (step["type"], step["stepName"]) == ("STEP_STARTED", "attempt 1")


def test_calls_wait_for_their_client() -> None:
    """A run that calls tools ends in success, with the calls that its client has to answer, each its own."""
    log: list[Event] = [
        Text(1, "I look."),
        ToolCall(2, 0, id="a", name="one", arguments="{"),
        ToolCall(2, 1, id="b", name="two"),
        ToolCall(2, 0, arguments="}"),
        ToolCall(2, 2, id="a", name="three"),
        End(ts=3, finish_reason="tool_calls"),
    ]
    made = [frame for frames in said(log) for frame in frames]
    starts = [frame for frame in made if frame["type"] == "TOOL_CALL_START"]
    [text] = [frame for frame in made if frame["type"] == "TEXT_MESSAGE_START"]
    assert [frame["parentMessageId"] for frame in starts] == [text["messageId"]] * 3
    first, second, third = [frame["toolCallId"] for frame in starts]
    assert (first, second) == ("a", "b") and third not in {"a", "b"}
    assert made[-1]["outcome"] == {"type": "success", "pendingToolCallIds": ["a", "b", third]}


THREAD: list[dict[str, Any]] = [
    {"id": "1", "role": "developer", "content": "Be brief."},
    {
        "id": "2",
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image", "source": {"type": "data", "value": "AA==", "mimeType": "image/png"}},
        ],
    },
    {"id": "3", "role": "reasoning", "content": "Hm."},
    {
        "id": "4",
        "role": "assistant",
        "content": "I look.",
        "toolCalls": [
            {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}},
            {"id": "unanswered", "type": "function", "function": {"name": "read", "arguments": "{}"}},
        ],
    },
    {"id": "5", "role": "activity", "activityType": "plan", "content": {"a": 1}},
    {"id": "6", "role": "tool", "toolCallId": "a", "content": "", "error": "It is stuck."},
    {"id": "7", "role": "user", "content": "And now?"},
]


def test_a_thread_as_chat_writes_it() -> None:
    """Each kind of message, as the protocol's own types take it; what is for people is left out."""
    RunAgentInput.model_validate({"threadId": "t", "runId": "r", "messages": THREAD})
    given = [checked(each, ThreadMessage) for each in THREAD]
    call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    assert chat_messages(given, 1000) == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        },
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "Error: It is stuck."},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [{"type": "video", "source": {"type": "url", "value": "https://example.org/v"}}],
        [{"type": "image", "source": {"type": "file", "value": "f"}}],
        ["text"],
        [],
    ],
)
def test_what_no_model_could_be_given(content: Any) -> None:
    """It is refused with the message's place."""
    with pytest.raises(InvalidRequest) as refused:
        chat_messages([ThreadMessage(id="1", role="user", content=content)], 1000)
    assert (refused.value.field or "").startswith("messages[0].content")
