"""A conversation's headline: all that a list of them shows."""

import msgspec

from shared.events import Usage
from shared.generation import ChatSettings
from shared.names import shown_name
from shared.skipped import skipped

_TITLE_CHARS = 80


class Conversation(msgspec.Struct, frozen=True):
    """A conversation's headline. Times are milliseconds since the epoch."""

    id: str
    title: str
    created_ms: int
    updated_ms: int
    #: The generation that answers right now.
    active: str | None = None
    #: How it is answered; absent where nothing in particular is said.
    settings: ChatSettings | msgspec.UnsetType = msgspec.UNSET


class Spent(msgspec.Struct, frozen=True):
    """What a conversation's replies were given, and what that cost, as far as models have prices."""

    usage: Usage
    cost: float | None = None


class Version(msgspec.Struct, frozen=True):
    """A conversation's headline, and what tells it from every other state of this and of any namesake."""

    headline: Conversation
    tag: str
    spent: Spent | None = None


def title_of(said: str) -> str:
    """What a conversation is called that begins with *said*."""
    return shown_name(said, _TITLE_CHARS)


def version_of(conversation_id: str, fields: dict[bytes, bytes]) -> Version | None:
    """The version that a conversation's hash says; None where there is none."""
    if not fields:
        return None
    # The revision alone is not enough: a namesake counts anew, and so does a broker that lost its tail.
    tag = b"-".join(fields.get(name, b"0") for name in (b"created_ms", b"updated_ms", b"revision"))
    return Version(headline_of(conversation_id, fields), tag.decode(), _spent(fields))


def _spent(fields: dict[bytes, bytes]) -> Spent | None:
    prompt, completion = int(fields.get(b"spent_prompt", 0)), int(fields.get(b"spent_completion", 0))
    if not prompt + completion:
        return None
    cost = fields.get(b"spent_cost")
    usage = Usage(prompt, completion, prompt + completion, b"spent_estimated" in fields)
    return Spent(usage, None if cost is None else float(cost))


def headline_of(conversation_id: str, fields: dict[bytes, bytes]) -> Conversation:
    """The headline that a conversation's hash says."""
    return Conversation(
        id=conversation_id,
        title=fields.get(b"title", b"").decode(),
        created_ms=int(fields.get(b"created_ms", 0)),
        updated_ms=int(fields.get(b"updated_ms", 0)),
        active=fields[b"active"].decode() if b"active" in fields else None,
        settings=settings_of(fields.get(b"settings")) or msgspec.UNSET,
    )


def settings_of(raw: bytes | None) -> ChatSettings | None:
    """None for none, and for what another version has written that cannot be read."""
    if raw is None or raw == b"{}":
        return None
    try:
        return msgspec.json.decode(raw, type=ChatSettings)
    except msgspec.DecodeError:
        skipped("settings", "unreadable")
        return None
