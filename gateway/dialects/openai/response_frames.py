"""
OpenAI's Responses as events: `event:` is the type in `data:`, numbered, `[DONE]` last.

Order, items and statuses are those of https://www.openresponses.org/specification; reasoning has the
names that OpenAI's clients know. `sequence_number` follows from the log alone, whichever gateway reads
it. There is no word for `reset`: a reader gets an `error` event, the end of its stream, and who asks
for what comes after that event's number gets the new answer from its `response.created` on.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.dialects.openai.errors import STATUS_WAITS_S, openai_body
from gateway.dialects.openai.response_object import (
    Item,
    Output,
    ResponseObject,
    Wanted,
    failed_with,
    usage_of,
)
from gateway.relay.dialect import Dialect, Encoder
from shared.errors import HeadraceError
from shared.events import Audio, End, Error, Event, HandOver, Picture, Reasoning, Reset, Start, Text, ToolCall
from shared.generation import Generation
from shared.position import Position

_json = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"
#: What the events of an item's text are called, by the type of its part; and those of the part itself.
_NOUNS = {
    "output_text": "output_text",
    "reasoning_text": "reasoning_text",
    "summary_text": "reasoning_summary_text",
}
_PARTS = {False: "content_part", True: "reasoning_summary_part"}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesEncoder(Encoder):
    """Event -> the semantic events it stands for; adds up the response as it goes."""

    def __init__(self, generation: Generation, after: int = -1, also: Sequence[str] = ()) -> None:
        """Leaves out events up to the number *after*; *also* is of `include`, beside the request's own."""
        #: The response as it stands after the last event.
        self.response = generation.options(ResponseObject)
        self._after = after
        self._number = -1
        self._begun = False
        wanted = {*generation.options(Wanted).include, *also}
        self._output = Output(generation.id.removeprefix("gen_"), self.response, wanted)
        self._open: list[Item] = []
        #: The open item whose deltas are being written, and what follows their numbers.
        self._writing: tuple[type[Text | Reasoning], Item] | None = None
        self._delta = self._delta_head = self._delta_end = b""

    def encode(self, position: Position, event: Event) -> bytes:
        """All frames of one event, but for those its reader has."""
        if isinstance(event, Text | Reasoning):
            before = b""
            if self._writing is None or self._writing[0] is not type(event):
                before = self._begin() + self._end_text() + self._begin_text(type(event))
            self._writing[1].text.append(event.text)  # type: ignore[index]
            self._number += 1
            if self._number <= self._after:
                return before
            number = b"%d" % self._number
            return before + self._delta_head + number + self._delta + _json(event.text) + self._delta_end
        match event:
            case Start():
                return self._begin()
            case ToolCall():
                return self._begin() + self._tool_call(event)
            case Picture():
                return self._begin() + self._end_text() + self._picture(event)
            case Reset():
                return self._break_off(event.reason)
            case End() | Error():
                return self._begin() + self._end(event) + _DONE
            case HandOver() | Audio():
                return b""

    @property
    def number(self) -> int:
        """That of the last event; -1 before the first."""
        return self._number

    def go_live(self) -> None:
        """Whoever reads live has all there is."""
        self._after = -1

    def so_far(self) -> ResponseObject:
        """The response with what there is of its answer."""
        if self.response.status != "in_progress":
            return self.response
        return msgspec.structs.replace(self.response, output=self._output.items())

    def _begin(self) -> bytes:
        """The response's head, once: a log that ends before any worker took it has no `start`."""
        if self._begun:
            return b""
        self._begun = True
        self.response = msgspec.structs.replace(self.response, status="in_progress")
        return self._state("response.created") + self._state("response.in_progress")

    def _begin_text(self, kind: type[Text | Reasoning]) -> bytes:
        item = self._output.add("message" if kind is Text else "reasoning")
        self._open.append(item)
        self._writing = (kind, item)
        noun = _NOUNS[item.part("")["type"]]
        self._delta_head = (
            f'event: response.{noun}.delta\ndata: {{"type":"response.{noun}.delta","sequence_number":'
        ).encode()
        place = "summary_index" if item.summary else "content_index"
        self._delta = f',"item_id":"{item.id}","output_index":{item.index},"{place}":0,"delta":'.encode()
        self._delta_end = b',"logprobs":[]}\n\n' if kind is Text else b"}\n\n"
        part = {**item.part_at, "part": item.part("")}
        return self._added(item) + self._frame(f"response.{_PARTS[item.summary]}.added", part)

    def _tool_call(self, event: ToolCall) -> bytes:
        frames = b""
        item = next((i for i in reversed(self._open) if i.call_index == event.index), None)
        if item is None or (event.id and event.id != item.call_id):
            frames = self._end_text()
            item = self._output.add_call(event)
            self._open.append(item)
            frames += self._added(item)
        if event.arguments:
            item.text.append(event.arguments)
            delta = {**item.at, "delta": event.arguments}
            frames += self._frame("response.function_call_arguments.delta", delta)
        return frames

    def _picture(self, event: Picture) -> bytes:
        item = self._output.add("image_generation_call")
        frames = self._added(item)
        if event.part.lost is None:
            item.text = [b64encode(event.data).decode() if event.data else event.address]
            frames += self._frame("response.image_generation_call.completed", item.at)
        item.status = "completed" if item.text else "failed"
        done = {"output_index": item.index, "item": item.done()}
        return frames + self._frame("response.output_item.done", done)

    def _close(self, status: str) -> bytes:
        """End all open items."""
        frames = b"".join(self._done(item, status) for item in self._open)
        self._open.clear()
        self._writing = None
        return frames

    def _end_text(self) -> bytes:
        """End the item whose text is being written. Calls stay open: more of their arguments may follow."""
        if self._writing is None:
            return b""
        item = self._writing[1]
        self._open.remove(item)
        self._writing = None
        return self._done(item, "completed")

    def _done(self, item: Item, status: str) -> bytes:
        item.status = status
        whole = self._whole(item)
        done = {"output_index": item.index, "item": item.done()}
        return whole + self._frame("response.output_item.done", done)

    def _whole(self, item: Item) -> bytes:
        if item.kind == "function_call":
            call = {**item.at, "name": item.function["name"], "arguments": item.whole}
            return self._frame("response.function_call_arguments.done", call)
        part = item.part(item.whole)
        text = {**item.part_at, "text": item.whole} | ({"logprobs": []} if item.kind == "message" else {})
        done = self._frame(f"response.{_NOUNS[part['type']]}.done", text)
        return done + self._frame(f"response.{_PARTS[item.summary]}.done", {**item.part_at, "part": part})

    def _end(self, event: End | Error) -> bytes:
        frames, facts = b"", dict[str, Any](usage=usage_of(event.usage))
        if isinstance(event, Error):
            kind = "failed"
            facts |= {"status": kind, "error": failed_with(event)}
            for item in self._open:
                item.status = "incomplete"
        elif event.finish_reason in _INCOMPLETE:
            kind = "incomplete"
            facts |= {"status": kind, "incomplete_details": {"reason": _INCOMPLETE[event.finish_reason]}}
            frames = self._close(kind)
        elif event.finish_reason == "cancelled":
            # No event is called so; of those there are, this one leaves what was said standing.
            kind = "incomplete"
            facts |= {"status": "cancelled"}
            frames = self._close(kind)
        else:
            kind = "completed"
            facts |= {"status": kind, "completed_at": event.ts // 1000}
            frames = self._close(kind)
        self.response = msgspec.structs.replace(self.response, output=self._output.items(), **facts)
        return frames + self._state(f"response.{kind}")

    def _break_off(self, code: str) -> bytes:
        self._begun = False
        self._open.clear()
        self._writing = None
        self._output.clear()
        says = "The answer broke off and starts over: read on after this event."
        facts = {"code": code, "message": says, "param": None}
        frame = self._frame("error", {**facts, "error": {"type": "server_error", **facts}})
        return frame + _DONE if frame else b""

    def _added(self, item: Item) -> bytes:
        return self._frame("response.output_item.added", {"output_index": item.index, "item": item.begun()})

    def _state(self, kind: str) -> bytes:
        return self._frame(kind, {"response": self.response})

    def _frame(self, kind: str, facts: dict[str, Any]) -> bytes:
        self._number += 1
        if self._number <= self._after:
            return b""
        data = _json({"type": kind, "sequence_number": self._number, **facts})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def refuse(generation: Generation, error: HeadraceError) -> bytes:
    """An `error` without a number: it is no event of the response, which goes on."""
    body = openai_body(error)
    said = {"type": "error", "code": body.code, "message": body.message, "param": None, "error": body}
    return b"event: error\ndata: %b\n\n" % _json(said) + _DONE


RESPONSES = Dialect(
    name="openai_responses",
    encoder=ResponsesEncoder,
    refuse=refuse,
    stateless=False,
    carries_bytes=True,
    comes_back=False,
    hears_retry=False,
    says_reset=False,
    status_waits_s=STATUS_WAITS_S,
)
