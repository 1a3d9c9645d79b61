"""The upstream's side of the OpenAI chat completion format: its chunks in, our deltas out."""

import re
from collections.abc import Mapping
from typing import Any

from shared.events import FinishReason, Reasoning, Text, now_ms
from shared.failures import UpstreamCutShort, UpstreamError, UpstreamFailed
from worker.backends import Delta, Finished
from worker.backends.calls import Calls, Piece
from worker.backends.chunk import (
    RESISTS,
    CallPiece,
    Choice,
    Chunk,
    Function,
    decode,
    detailed,
    read_with_care,
)
from worker.backends.errors import stated, words
from worker.backends.payload import DONE, is_done, is_error, is_failure, is_success, parts, read
from worker.backends.pictures import pictures_of
from worker.backends.reasons import is_reason, reason_of
from worker.backends.shortener import Shortened
from worker.backends.sse import ErrorEvent
from worker.backends.think_tags import ThinkTags
from worker.backends.tolerant import Joiner, whole_characters
from worker.backends.usage import usage_of

_NO_CHOICE = object()
_MOST_CHOICES = 2**31
_OPEN = re.compile(rb'"finish_reason"\s*:\s*null')
#: Reasons that say by themselves why nothing was answered.
_WHY_NOT = frozenset({"length", "content_filter"})


class Completion:
    """
    One answer as it arrives: turns payloads into deltas and remembers how it ended.

    *continued*: the answer's beginning is there already. *tags* stand around reasoning in its text.
    """

    def __init__(self, *, continued: bool = False, tags: ThinkTags | None = None) -> None:
        #: The upstream said `[DONE]`.
        self.done = False
        #: Whether the last `take` gave deltas.
        self.spoke = False
        #: Whether the last `take` gave pictures, which have to be stored before they are taken.
        self.drew = False
        #: Its reason has proved to be no end: deltas came after it.
        self.goes_on = False
        self._said = continued
        #: Whether anything of that is this answer's own.
        self._spoke = False
        self._reason: str | None = None
        self._usage: Any = None
        #: Which of the choices is the answer: the first that came.
        self._index: Any = _NO_CHOICE
        self._counted_last = False
        #: What it said that is no part of an answer.
        self._words: Any = None
        self._tags = tags
        self._text, self._reasoning = Joiner(), Joiner()
        #: Text can be given out as it comes.
        self._plain = tags is None
        self._calls = Calls()
        #: The last payload that is a chunk.
        self._last = b""

    @property
    def ended(self) -> bool:
        """The answer is whole; only usage or `[DONE]` may still come."""
        return self.done or (self._reason is not None and not self._nothing)

    @property
    def complete(self) -> bool:
        """Nothing is missing any more."""
        return self.done or (self._reason is not None and self._counted_last)

    @property
    def said(self) -> bool:
        """Whether there is anything of an answer."""
        return self._said

    @property
    def _nothing(self) -> bool:
        """An end that does not say why there is no answer is none."""
        if self._said or self._reason is None:
            return not self._said
        if reason_of(self._reason) in _WHY_NOT:
            return False
        usage = usage_of(self._usage)
        return usage is None or usage.completion_tokens == 0

    def take(self, payloads: list[bytes], deltas: list[Delta]) -> None:
        """
        Append to *deltas* what *payloads* say.

        Raises `UpstreamInvalid` for what is not a chunk, and for a stated error what it means; the deltas
        before it are in *deltas* then.
        """
        ts = now_ms()
        before = len(deltas)
        self.drew = False
        for payload in payloads:
            try:
                chunk = decode(payload)
            except RESISTS:
                if payload.startswith(DONE):
                    self.done = True
                    break
                self._take_with_care(payload, ts, deltas)
                if self.done:
                    break
                continue
            choices = chunk.choices
            if choices and self._plain and len(choices) == 1 and type(payload) is bytes:
                choice = choices[0]
                said = choice.delta
                # What nearly every chunk is while a model writes: a text and nothing else.
                if (
                    said is not None
                    and said.content
                    and choice.index == self._index
                    and choice.finish_reason is None
                    and said.tool_calls is None
                    and said.reasoning_content is said.reasoning is said.reasoning_details is None
                    and chunk.usage is chunk.error is self._reason is None
                    and choice.message is choice.usage is choice.error is said.function_call is None
                    and said.images is None
                ):
                    deltas.append(Text(ts, said.content))
                    continue
            self._take(payload, chunk, ts, deltas)
        if chunks := payloads[-1:] if not self.done else payloads[-2:-1]:
            self._last = chunks[0]
        self.spoke = len(deltas) > before
        self._spoke = self._spoke or self.spoke
        self._said = self._said or self.spoke

    def finish(self, deltas: list[Delta], *, says_why: bool = False) -> Finished:
        """
        The last word on an answer whose stream has ended in order; what was held back goes to *deltas*.

        Raises an `UpstreamError` where this was no answer, nor anything more of one, and, with *says_why*,
        where it has ended without the reason that its chunks left open.
        """
        ts = now_ms()
        if rest := self._text.rest():
            self._say_text(rest, ts, deltas)
        if self._tags is not None:
            deltas.extend(self._tags.finish(ts))
        deltas.extend(self._calls.finish(ts))
        if rest := self._reasoning.rest():
            deltas.append(Reasoning(ts, rest))
        self._spoke = self._spoke or bool(deltas)
        self._said = self._said or self._spoke
        if self._words is not None and (self._reason is None or self._nothing):
            raise stated(self._words)
        if self._nothing:
            raise UpstreamFailed("The model server ended its answer without having said anything.")
        if self._reason is None and (not self._spoke or (says_why and _OPEN.search(self._last))):
            raise UpstreamCutShort
        return Finished(self._finish_reason(), usage_of(self._usage), self._upstream_reason())

    def _finish_reason(self) -> FinishReason:
        reason: FinishReason = "stop" if self.done else "unknown"
        if self._reason is not None:
            reason = reason_of(self._reason)
        # Many servers stop where others would say that they call.
        if reason == "stop" or (reason == "unknown" and self._calls.whole):
            return "tool_calls" if self._calls else reason
        return reason

    def _upstream_reason(self) -> str | None:
        return None if self._reason is None else whole_characters(self._reason)[:100]

    def _take_with_care(self, payload: bytes, ts: int, deltas: list[Delta]) -> None:
        if type(payload) is ErrorEvent:
            raise stated(read(payload))
        payload = payload if type(payload) is Shortened else payload.strip()
        if not payload:
            return
        self._plain = False
        for part in parts(payload):
            if is_done(part):
                self.done = True
                return
            self._take(part, read_with_care(part), ts, deltas)

    def _take(self, payload: bytes, chunk: Chunk, ts: int, deltas: list[Delta]) -> None:
        if type(payload) is ErrorEvent:
            raise stated(read(payload))
        if type(payload) is Shortened:
            self._plain = False
            chunk = read_with_care(payload)
        if chunk.usage:
            # Not an empty one, which some send after the one that counts.
            self._usage = chunk.usage
        if chunk.choices is None:
            if chunk.error is None:
                self._take_other(read(payload))
        else:
            self._counted_last = not chunk.choices and isinstance(chunk.usage, Mapping)
            # Some add the whole answer to its last chunk.
            fresh = not (self._said or deltas)
            # Throughout the chunk: its first piece may be plain and its second half a character.
            plain = self._plain
            for choice in chunk.choices:
                if self._index is _NO_CHOICE:
                    self._index = choice.index
                # One is asked for; others may come all the same.
                if _place(choice.index) == _place(self._index):
                    self._add(choice, ts, deltas, fresh, plain)
        if chunk.error is not None and is_error(chunk.error):
            raise stated(read(payload))
        if self._reason is not None and reason_of(self._reason) == "error":
            raise self._broken_off()

    def _take_other(self, said: Any) -> None:
        """Something without choices: usage alone, a sign of life, or an error in a form of its own."""
        if words(said) is None or (isinstance(said, Mapping) and is_success(said)):
            self._counted_last = isinstance(said, Mapping) and isinstance(said.get("usage"), Mapping)
        elif is_failure(said):
            raise stated(said)
        else:
            self._words = said

    def _add(self, choice: Choice, ts: int, deltas: list[Delta], fresh: bool, plain: bool) -> None:
        before = len(deltas)
        said = choice.delta
        if (
            fresh
            and choice.message is not None
            and (said is None or not (said.content or said.tool_calls or said.images))
        ):
            said = choice.message
        if said is not None:
            reasoning = said.reasoning_content or said.reasoning
            if not reasoning and said.reasoning_details:
                reasoning = detailed(said.reasoning_details)
            text = said.content or said.refusal
            if plain:
                if reasoning:
                    deltas.append(Reasoning(ts, reasoning))
                if text:
                    deltas.append(Text(ts, text))
            else:
                self._say(reasoning or "", text or "", ts, deltas)
            if said.images:
                # Text that was held back stands before it.
                deltas.extend(pictures_of(said.images, ts))
                self.drew = True
            if said.tool_calls:
                for at, call in enumerate(said.tool_calls):
                    piece = _piece(call.index, call.id, call.function, call)
                    deltas.extend(self._calls.take(piece, ts, further=at > 0))
            if said.function_call is not None:
                piece = _piece(0, None, said.function_call, None)
                deltas.extend(self._calls.take(piece, ts, further=False))
        spoke = len(deltas) > before
        if self._reason is not None and spoke:
            self.goes_on = True
        if choice.usage:
            self._usage = choice.usage
        if choice.error is not None and is_error(choice.error):
            raise stated(choice.error)
        reason = choice.finish_reason
        if reason and is_reason(reason) and (spoke or not self._hides_a_cut(reason)):
            self._reason = reason

    def _hides_a_cut(self, reason: str) -> bool:
        """Proxies add a `stop` of their own to an answer that was cut."""
        was_cut = self._reason is not None and reason_of(self._reason) in _WHY_NOT
        return was_cut and reason_of(reason) == "stop"

    def _say(self, reasoning: str, text: str, ts: int, deltas: list[Delta]) -> None:
        """As what it is: it may end in half a character, or hold tags."""
        if reasoning := self._reasoning.join(reasoning):
            deltas.append(Reasoning(ts, reasoning))
        if text := self._text.join(text):
            self._say_text(text, ts, deltas)
        pending = self._text.pending or self._reasoning.pending
        self._plain = not pending and (self._tags is None or self._tags.plain)

    def _say_text(self, text: str, ts: int, deltas: list[Delta]) -> None:
        if self._tags is None or self._tags.plain:
            deltas.append(Text(ts, text))
        else:
            deltas.extend(self._tags.feed(text, ts))

    def _broken_off(self) -> UpstreamError:
        error = UpstreamFailed(f"The model server broke off its answer: {self._upstream_reason()}")
        error.upstream_reason = self._upstream_reason()
        return error


def _place(index: int | None) -> int:
    """Which of the choices; one that is out of all bounds, or none, is the first."""
    return index if index is not None and 0 < index < _MOST_CHOICES else 0


def _piece(
    index: int | None, call_id: str | None, function: Function | None, beside: CallPiece | None
) -> Piece:
    """A piece of a call; what its *function* leaves out may stand *beside* it."""
    said = Piece(index, call_id or None)
    for part in (function, beside):
        if part is not None:
            said.name = said.name or part.name or None
            said.arguments = said.arguments or part.arguments
    return said
