"""The response object of OpenAI's Responses, and the output items it is made of."""

from collections.abc import Container
from typing import Any, Literal

import msgspec

from gateway.dialects.openai.response_tools import parted
from gateway.dialects.openai.sealed import seal
from shared.events import Error, ToolCall, Usage

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

_Object = dict[str, Any]
_PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "image_generation_call": "ig_"}
_ERROR_CODES = {
    "upstream_rate_limited": "rate_limit_exceeded",
    "upstream_rejected": "invalid_prompt",
    "context_length_exceeded": "context_length_exceeded",
    "insufficient_quota": "insufficient_quota",
}


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    """A response. What was asked of it is repeated; defaults are those that OpenAI states."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status = "queued"
    background: bool = False
    error: _Object | None = None
    incomplete_details: _Object | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[_Object] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: dict[str, str] | None = None
    reasoning: _Object = msgspec.field(default_factory=lambda: {"effort": None, "summary": None})
    service_tier: str = "default"
    store: bool = True
    temperature: float = 1.0
    text: _Object = msgspec.field(default_factory=lambda: {"format": {"type": "text"}})
    tool_choice: str | _Object = "auto"
    tools: list[_Object] = []
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: _Object | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] = {}


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What its client asks to read beside; kept with the response, and no part of it."""

    include: list[str] = []


#: Of `include`: reasoning as its client may keep it, where nothing is stored.
SEALED_REASONING = "reasoning.encrypted_content"


ItemKind = Literal["message", "reasoning", "function_call", "image_generation_call"]


class Item(msgspec.Struct):
    """One output item under way."""

    id: str
    index: int
    kind: ItemKind
    text: list[str] = []
    status: str = "in_progress"
    call_index: int | None = None
    call_id: str = ""
    #: A call's function: its `name`, and the `namespace` it has one of.
    function: _Object = {}
    #: Of reasoning: it is told as a summary, to those who asked for one.
    summary: bool = False
    #: Of reasoning: it is told sealed as well.
    sealed: bool = False

    @property
    def whole(self) -> str:
        """Its text, or its arguments."""
        return "".join(self.text)

    @property
    def at(self) -> _Object:
        """Where its deltas go."""
        return {"item_id": self.id, "output_index": self.index}

    @property
    def part_at(self) -> _Object:
        """Where its only part is."""
        return {**self.at, "summary_index" if self.summary else "content_index": 0}

    def part(self, text: str) -> _Object:
        """Its only part with *text*."""
        if self.kind == "reasoning":
            return {"type": "summary_text" if self.summary else "reasoning_text", "text": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def begun(self) -> _Object:
        """The item with nothing in it."""
        return self._with([], "")

    def done(self) -> _Object:
        """The item with all it has."""
        return self._with([self.part(self.whole)], self.whole)

    def _with(self, parts: list[_Object], arguments: str) -> _Object:
        head = {"id": self.id, "type": self.kind, "status": self.status}
        if self.kind == "function_call":
            return {**head, "call_id": self.call_id, **self.function, "arguments": arguments}
        if self.kind == "image_generation_call":
            return {**head, "result": arguments or None}
        if self.kind == "reasoning":
            summary, content = (parts, []) if self.summary else ([], parts)
            sealed = {"encrypted_content": seal(arguments)} if self.sealed and parts else {}
            return {**head, "summary": summary, "content": content, **sealed}
        return {**head, "role": "assistant", "content": parts}


class Output:
    """All items of a response, in order; their ids follow from its own."""

    def __init__(self, suffix: str, asked: ResponseObject, wanted: Container[str]) -> None:
        """*asked* and *wanted*, of `include`, tell what its client wants to read."""
        self._suffix = suffix
        self._sealed = SEALED_REASONING in wanted
        self._asked = asked
        self._items: list[Item] = []

    def add(self, kind: ItemKind) -> Item:
        """A new item, in progress."""
        index = len(self._items)
        item = Item(f"{_PREFIXES[kind]}{self._suffix}_{index}", index, kind)
        item.summary = kind == "reasoning" and bool(self._asked.reasoning.get("summary"))
        item.sealed = self._sealed
        self._items.append(item)
        return item

    def add_call(self, first: ToolCall) -> Item:
        """A new call, which *first* is the first piece of."""
        item = self.add("function_call")
        item.call_index = first.index
        item.call_id = first.id or f"call_{self._suffix}_{item.index}"
        item.function = parted(first.name or "", self._asked.tools)
        return item

    def items(self) -> list[_Object]:
        """All of it so far."""
        return [item.done() for item in self._items]

    def clear(self) -> None:
        """All of it is void."""
        self._items.clear()


def usage_of(counted: Usage) -> _Object:
    """Token counts; details that the model server did not give are 0. `estimated` where it gave none."""
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counted.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens or 0},
        "total_tokens": counted.total_tokens,
        **({"estimated": True} if counted.estimated else {}),
    }


def failed_with(error: Error) -> _Object:
    """Why a response failed: a code that clients know, and ours as its `type`."""
    code = _ERROR_CODES.get(error.code, "server_error")
    return {"code": code, "message": error.message, "type": error.code}
