"""
OpenAI's chat completion chunks: one `data:` line of JSON a frame, `[DONE]` last.

The frames are those of https://platform.openai.com/docs/api-reference/chat-streaming. Stateless: a
frame depends on its event alone. As an extension every event's last frame has its position for an
`id:`, so a stream can be resumed after `Last-Event-ID`. There is no word for `reset`: the stream ends
with an error there, whose frame has no id, so that nobody resumes into another answer's middle.
"""

from typing import Any

import msgspec

from gateway.dialects.openai.errors import STATUS_WAITS_S, openai_body
from gateway.relay.dialect import Dialect, Encoder
from shared.errors import HeadraceError
from shared.events import (
    Audio,
    End,
    Error,
    Event,
    HandOver,
    Picture,
    Reasoning,
    Reset,
    Start,
    Text,
    ToolCall,
    Usage,
)
from shared.failures import failure
from shared.generation import Generation
from shared.position import Position

#: Before what a generation's own id has after `gen_`.
ID_PREFIX = "chatcmpl-"

_json = msgspec.json.Encoder().encode
_DONE = b"data: [DONE]\n\n"
#: What clients know. An answer that was stopped ends with `stop`, and so does one of which nobody knows why:
#: there is no other word for it, so `native_finish_reason` says it.
_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What frames depend on beside the log; kept in the generation's `dialect_options`."""

    #: Seconds since the epoch; the same in every chunk, on every gateway.
    created: int | None = None
    include_usage: bool = False


def head(generation: Generation, kind: str) -> dict[str, Any]:
    """What every chunk, and the whole answer, begins with."""
    options = generation.options(Options)
    return {
        "id": ID_PREFIX + generation.id.removeprefix("gen_"),
        "object": kind,
        "created": generation.created_ms // 1000 if options.created is None else options.created,
        "model": generation.model,
    }


def finish(reason: str | None, upstream_reason: str | None) -> dict[str, str]:
    """
    `finish_reason` as clients know it; where it is not the whole truth, `native_finish_reason` beside it, as
    OpenRouter calls the upstream's own word, or ours where it has none.
    """
    known = reason if reason in _FINISH_REASONS else "stop"
    own = upstream_reason or reason or known
    return {"finish_reason": known} if own == known else {"finish_reason": known, "native_finish_reason": own}


def usage(counted: Usage) -> dict[str, Any]:
    """Token counts; `estimated` where the upstream gave none."""
    counts: dict[str, Any] = {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.total_tokens,
    }
    if counted.estimated:
        counts["estimated"] = True
    if counted.cached_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": counted.cached_tokens}
    if counted.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": counted.reasoning_tokens}
    return counts


class ChatEncoder(Encoder):
    """Event -> the chunks it stands for; all that does not change from one to the next is kept ready."""

    def __init__(self, generation: Generation) -> None:
        options = generation.options(Options)
        self._include_usage = options.include_usage
        self._head = b"data: " + _json(head(generation, "chat.completion.chunk"))[:-1] + b',"choices":['
        self._delta = self._head + b'{"index":0,"delta":'
        self._text = self._delta + b'{"content":'
        usage_field = b',"usage":null' if options.include_usage else b""
        self._end = b"]" + usage_field + b"}\n\n"
        self._delta_end = b',"logprobs":null,"finish_reason":null}' + self._end
        self._text_end = b"}" + self._delta_end

    def encode(self, position: Position, event: Event) -> bytes:
        """All frames of one event; the last has its id."""
        at = b"id: %d-%d\n" % position
        match event:
            case Text():
                return at + self._text + _json(event.text) + self._text_end
            case Reasoning():
                return at + self._chunk({"reasoning_content": event.text})
            case ToolCall():
                return at + self._chunk({"tool_calls": [_piece(event)]})
            case Picture() if event.part.lost is not None:
                # Nobody's word for it, so no client minds; who looks for a reason finds it.
                return at + self._chunk({"images_lost": [event.part.lost]})
            case Picture():
                return at + self._chunk({"images": [picture(event.address)]})
            case Start():
                return at + self._chunk({"role": "assistant", "content": ""})
            case End():
                reason = _json(finish(event.finish_reason, event.upstream_reason))[1:]
                last = self._delta + b'{},"logprobs":null,' + reason + self._end
                if self._include_usage:
                    last += self._head + b'],"usage":' + _json(usage(event.usage)) + b"}\n\n"
                return last + at + _DONE
            case Error():
                return _error(failure(event.code, event.message)) + at + _DONE
            case Reset():
                says = "The answer broke off and is being started over; send the request again."
                return _error(failure(event.reason, says)) + _DONE
            case HandOver() | Audio():
                return b""

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        return self._delta + _json(delta) + self._delta_end


def picture(address: str) -> dict[str, Any]:
    """One of a message's `images`, as OpenRouter has them: OpenAI's own chats have no word for them."""
    return {"type": "image_url", "image_url": {"url": address}}


def _piece(event: ToolCall) -> dict[str, Any]:
    if event.id is None and event.name is None:
        return {"index": event.index, "function": {"arguments": event.arguments}}
    function = {"name": event.name, "arguments": event.arguments}
    return {"index": event.index, "id": event.id, "type": "function", "function": function}


def _error(error: HeadraceError) -> bytes:
    return b'data: {"error":' + _json(openai_body(error)) + b"}\n\n"


CHAT = Dialect(
    name="openai_chat",
    encoder=ChatEncoder,
    refuse=lambda generation, error: _error(error) + _DONE,
    stateless=True,
    carries_bytes=True,
    comes_back=False,
    hears_retry=False,
    says_reset=False,
    status_waits_s=STATUS_WAITS_S,
)
