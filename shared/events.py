"""
The event log's vocabulary: what one entry of a log can say.

Every event is one compact JSON object with a `type`, and `ts`, the moment it was made in
milliseconds since the epoch. Dialects encode from these, so one log serves every dialect.
"""

import time
from base64 import b64encode
from typing import Literal, cast, get_args

import msgspec

from shared.parts import Part, address, words
from shared.skipped import skipped


def now_ms() -> int:
    """Milliseconds since the epoch by this machine's clock."""
    return time.time_ns() // 1_000_000


#: Why an answer ended. `error` is that of a failed one; `unknown`: its stream ended in order, without a word.
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cancelled", "error", "unknown"]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Tokens as the upstream counted them, or our own count where it gave none (`estimated`).

    Of the prompt some were `cached`, of the completion some `reasoning`; None where nobody says.
    """

    # By a factory, so that none is left out where it is nothing.
    prompt_tokens: int = msgspec.field(default_factory=int)
    completion_tokens: int = msgspec.field(default_factory=int)
    total_tokens: int = msgspec.field(default_factory=int)
    estimated: bool = False
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def plus(self, other: "Usage") -> "Usage":
        """What both have cost."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.estimated or other.estimated,
            _plus(self.cached_tokens, other.cached_tokens),
            _plus(self.reasoning_tokens, other.reasoning_tokens),
        )


def _plus(count: int | None, other: int | None) -> int | None:
    return other if count is None else count + (other or 0)


class _Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    ts: int


class Start(_Event, frozen=True, omit_defaults=True, tag="start", kw_only=True):
    """
    A worker took the generation; `model` is the name the client asked for.

    One that `continues` the reply of another generation gives that reply's text first; `before` is what
    that text has cost.
    """

    model: str
    continues: str | None = None
    before: Usage | None = None


class Text(_Event, frozen=True, omit_defaults=True, tag="text"):
    """A piece of the answer. `tokens` counts the deltas it joins; `given` is what a continued reply had."""

    text: str
    tokens: int = 1
    given: bool = False


class Reasoning(_Event, frozen=True, omit_defaults=True, tag="reasoning"):
    """A piece of the model's reasoning, kept apart from the answer; `given` as of `Text`."""

    text: str
    tokens: int = 1
    given: bool = False


class ToolCall(_Event, frozen=True, omit_defaults=True, tag="tool_call"):
    """A piece of a tool call: `id` and `name` come with the first piece of an `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Picture(_Event, frozen=True, omit_defaults=True, tag="part", kw_only=True):
    """A picture that belongs to the answer here: its bytes are stored under their hash, never in the log."""

    part: Part
    #: The bytes, for a reader whose dialect carries them; no log has any.
    data: bytes = b""

    @property
    def address(self) -> str:
        """Where it is: with its bytes, if they are here."""
        if not self.data:
            return address(self.part)
        return f"data:{self.part.content_type};base64,{b64encode(self.data).decode()}"

    @property
    def as_text(self) -> Text:
        """The same, for a dialect that knows no pictures, or of one that was lost."""
        return Text(self.ts, words(self.part), 0)


class Audio(_Event, frozen=True, omit_defaults=True, tag="audio", kw_only=True):
    """
    Sound of the text from character `start` to before `end`: piece `number`, of this attempt from 1, of what
    is kept beside the log, `size` bytes from byte `at` of the whole. It lasts for `ms`. The `last` of a
    sentence has where its encoder stands then (`carry`).
    """

    number: int
    at: int
    size: int
    start: int
    end: int
    ms: int
    last: bool = False
    carry: list[int] = []


class Reset(_Event, frozen=True, omit_defaults=True, tag="reset"):
    """
    All that came before is void and the answer starts over; `reason` is the code of what broke it off. What
    is to be `told_again` comes next.
    """

    reason: str = "worker_lost"
    told_again: bool = False


class HandOver(_Event, frozen=True, omit_defaults=True, tag="hand_over", kw_only=True):
    """
    From here on `upstream` answers; `reason` is the code of what broke off the one before, if one did.

    What was asked of upstreams before was `billed`, and has `cost`, where that is known.
    """

    upstream: str
    reason: str | None = None
    billed: Usage = Usage()
    cost: float | None = None


class _Terminal(_Event, frozen=True, omit_defaults=True, kw_only=True):
    #: Of what the reader got.
    usage: Usage = Usage()
    #: Of all that upstreams were asked, where that is more; and what it cost, by the prices of models.toml.
    billed: Usage | None = None
    cost: float | None = None
    #: The upstreams that answered, in turn, of a model that has several.
    upstreams: list[str] = []
    #: The model server's own word.
    upstream_reason: str | None = None


class End(_Terminal, frozen=True, omit_defaults=True, tag="end", kw_only=True):
    """
    Terminal. `reason` says who cancelled.

    `finish_reason` is a `FinishReason`; a log of another version may know more of them.
    """

    finish_reason: str
    reason: str | None = None


class Error(_Terminal, frozen=True, omit_defaults=True, tag="error", kw_only=True):
    """Terminal. `code` is from the tree of `shared/failures.py`; what came before still stands."""

    code: str
    message: str
    retryable: bool = False
    #: When the model server asked to be asked again.
    retry_after_s: float | None = None


Event = Start | Text | Reasoning | ToolCall | Picture | Reset | Audio | HandOver | End | Error
Terminal = End | Error

#: Why a generation was stopped before its end.
CancelReason = Literal["user", "interrupted", "abandoned"]


def cancel_reason(word: str) -> CancelReason:
    """The reason that *word* names. One that this version does not know still stops, as a user would."""
    if word in get_args(CancelReason):
        return cast(CancelReason, word)
    skipped("cancel", word[:40])
    return "user"


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode


class _Kind(msgspec.Struct):
    type: str = "none"


def decode(raw: bytes) -> Event | None:
    """
    An event from a log. None for one that this version does not know or cannot read, which whoever reads
    the log goes on without; fields that it does not know are left out.
    """
    try:
        event: Event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        skipped("event", _kind_of(raw, error))
        return None
    return event


def _kind_of(raw: bytes, error: Exception) -> str:
    try:
        return msgspec.json.decode(raw, type=_Kind).type[:40]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return type(error).__name__
