"""
A generation: what is asked for, and its record as it stands.

`queued -> running -> done | failed | cancelled`; terminal is final.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from shared import events
from shared.events import CancelReason, Usage, cancel_reason
from shared.failures import GenerationFailed, failure
from shared.messages import CutReply, Failure, MadeCall
from shared.parts import Part
from shared.speech import Speech
from shared.upstream import Ability

_T = TypeVar("_T")

State = Literal["queued", "running", "done", "failed", "cancelled"]
OnBusy = Literal["reject", "interrupt", "queue"]
OnDisconnect = Literal["continue", "cancel"]
#: Whether somebody waits for it; what nobody waits for comes after all that somebody does.
Priority = Literal["interactive", "background"]

TERMINAL_STATES = frozenset({"done", "failed", "cancelled"})


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model is to answer, beyond the conversation."""

    #: Messages as OpenAI writes them, for requests that carry their own history.
    messages: list[dict[str, Any]] = []
    max_tokens: int | None = None
    parameters: dict[str, Any] = {}
    #: What the messages were made of, where a dialect has to show it again.
    input: list[dict[str, Any]] = []
    #: Put before the messages, after the model's own.
    system_prompt: str | None = None
    #: What the conversation's new message needs its upstream to take.
    needs: list[Ability] = []
    #: The reply to continue, instead of answering the conversation's last message anew.
    continued: CutReply | None = None
    #: What is to be spoken, instead of asking a model.
    speech: Speech | None = None


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a conversation is answered, where its messages do not say otherwise."""

    model: str | None = None
    #: Put before the conversation, after the model's own.
    system_prompt: Annotated[str, Meta(max_length=20_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that is asked for."""

    generation_id: str
    owner: str
    #: Who takes turns with others in the queue: the tenant's name in the keyspace, and how much of it is its
    #: own.
    tenant: str = ""
    weight: float = 1
    priority: Priority = "interactive"
    model: str
    queue: str
    dialect: str
    request: Request
    #: With a conversation: its id and the user's message, which is empty where a reply is continued.
    conversation_id: str | None = None
    message: str = ""
    #: Pictures and files beside that message's text.
    parts: list[Part] | None = None
    #: What that message was said as, where its text alone is not all of it.
    items: list[dict[str, Any]] | None = None
    #: The generation whose turn, with all that followed, gives way to this one.
    replaces: str | None = None
    #: What its conversation is answered with from now on.
    settings: ChatSettings | None = None
    on_busy: OnBusy = "reject"
    on_disconnect: OnDisconnect = "continue"
    idempotency_key: str | None = None
    #: Equal for equal requests.
    digest: str = ""
    #: Whether its end is to be told to the webhook's receiver.
    hook: bool = False
    #: Who asked, for traces and logs: a `traceparent`, and the request's id.
    trace: str = ""
    request_id: str = ""
    #: What the dialect's encoder must know of the request, to write the same frames on any gateway.
    dialect_options: dict[str, Any] = {}

    def generation(self) -> "Generation":
        """Its record as it will be once it is created."""
        return Generation(
            id=self.generation_id,
            owner=self.owner,
            tenant=self.tenant,
            priority=self.priority,
            state="queued",
            model=self.model,
            queue=self.queue,
            dialect=self.dialect,
            on_disconnect=self.on_disconnect,
            conversation=self.conversation_id,
            dialect_options=msgspec.json.encode(self.dialect_options).decode(),
            created_ms=events.now_ms(),
        )


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """
    A record as it stands. Times are milliseconds since the epoch by the broker's clock, for people to read;
    `first_token_ms` is by its worker's.
    """

    id: str
    owner: str
    state: State
    model: str
    queue: str
    dialect: str
    tenant: str = ""
    priority: Priority = "interactive"
    on_disconnect: OnDisconnect = "continue"
    conversation: str | None = None
    request: str = "{}"
    dialect_options: str = "{}"
    trace: str = ""
    request_id: str = ""
    created_ms: int
    started_ms: int | None = None
    first_token_ms: int | None = None
    ended_ms: int | None = None
    attempt: int = 0
    lost: int = 0
    #: The last attempt before which a broker may have lost what readers have.
    torn: int = 0
    cancel: CancelReason | None = None
    #: Of an ended generation: the whole answer, why it ended, and what it cost.
    text: str | None = None
    reasoning: str = ""
    #: `MadeCall`s as JSON.
    tool_calls: str = "[]"
    #: Its pictures, `Part`s as JSON.
    parts: str = "[]"
    finish_reason: str | None = None
    #: The model server's own word for that.
    upstream_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    #: When the model server asked to be asked again.
    retry_after_s: float | None = None
    usage: str | None = None
    #: `Usage` of all that its upstreams were asked, where that is more, and what it cost.
    billed: str | None = None
    cost: float | None = None
    #: The names of the upstreams that answered, in turn, as JSON, of a model that has several.
    upstreams: str = "[]"
    position: str | None = None
    #: The speeches of its reply, the last of them last.
    spoken_by: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal state."""
        return self.state in TERMINAL_STATES

    @property
    def asked(self) -> Request:
        """What the model is to answer, beyond the conversation."""
        return msgspec.json.decode(self.request, type=Request)

    @property
    def calls(self) -> list[MadeCall]:
        """The tool calls of an ended generation."""
        return msgspec.json.decode(self.tool_calls, type=list[MadeCall])

    @property
    def pictures(self) -> list[Part]:
        """The pictures of an ended generation."""
        return msgspec.json.decode(self.parts, type=list[Part])

    @property
    def spent(self) -> Usage | None:
        """The tokens of what an ended generation's reader got."""
        return None if self.usage is None else msgspec.json.decode(self.usage, type=Usage)

    @property
    def paid(self) -> Usage | None:
        """The tokens that its upstreams counted, where those are more."""
        return None if self.billed is None else msgspec.json.decode(self.billed, type=Usage)

    @property
    def served_by(self) -> list[str]:
        """The upstreams that answered, in turn, of a model that has several."""
        return msgspec.json.decode(self.upstreams, type=list[str])

    @property
    def error(self) -> GenerationFailed | None:
        """Why it failed, if it did, as it is raised for who waits for the whole answer."""
        if self.error_code is None:
            return None
        return failure(self.error_code, self.error_message or "", self.retry_after_s)

    @property
    def failed(self) -> Failure | None:
        """Why it failed, if it did."""
        if self.error_code is None:
            return None
        return Failure(self.error_code, self.error_message or "")

    def options(self, kind: type[_T]) -> _T:
        """What its dialect's encoder knows of the request."""
        return msgspec.json.decode(self.dialect_options, type=kind)


def parse(generation_id: str, fields: Mapping[bytes, bytes]) -> Generation:
    """A record from the fields Redis holds; fields that only scripts need are left out."""
    known = {name.decode(): value.decode() for name, value in fields.items()}
    if known.get("priority") not in {"interactive", "background"}:
        known.pop("priority", None)
    if "cancel" in known:
        known["cancel"] = cancel_reason(known["cancel"])
    return msgspec.convert({**known, "id": generation_id}, Generation, strict=False)
