"""What a room says, as typed events; those of its log have a `position`."""

from typing import Any

import msgspec


class RoomSaid(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Any of them."""

    #: The entry's place in the room's log; None for what is of the moment.
    position: str | None = None
    timestamp: str = ""


class _ByMember(RoomSaid, frozen=True, kw_only=True):
    user_id: str = msgspec.field(name="userId")
    name: str = ""
    role: str | None = None


class Message(_ByMember, frozen=True, kw_only=True, tag="message"):
    """Somebody said something; `id` is the sender's own."""

    content: str
    id: str | None = None


class Joined(_ByMember, frozen=True, tag="user_joined"):
    """Somebody came."""


class Left(_ByMember, frozen=True, tag="user_left"):
    """Somebody went."""


class Typing(_ByMember, frozen=True, tag="user_typing"):
    """Somebody writes; told once a second while they do."""


class Cleared(_ByMember, frozen=True, tag="cleared"):
    """Everything before it is gone."""


class Members(RoomSaid, frozen=True, kw_only=True, tag="members"):
    """Who is there, as of a position; and who this connection is."""

    members: list[dict[str, Any]]
    you: str = ""
    as_of: str = ""


class _OfReply(RoomSaid, frozen=True, kw_only=True):
    generation_id: str


class ReplyStarted(_OfReply, frozen=True, kw_only=True, tag="stream_start"):
    """The model answers."""

    model: str = ""


class ReplyChunk(_OfReply, frozen=True, kw_only=True, tag="stream_chunk"):
    """A piece of the answer."""

    content: str


class ReplyReset(_OfReply, frozen=True, kw_only=True, tag="stream_reset"):
    """What was said of the answer is void: it starts over."""

    reason: str = ""


class ReplyEnded(_OfReply, frozen=True, kw_only=True, tag="stream_end"):
    """The answer is whole, or cut by its length."""

    finish_reason: str = ""


class ReplyFailed(_OfReply, frozen=True, kw_only=True, tag="stream_error"):
    """The answer failed; what was said before still stands."""

    code: str
    message: str = ""


class ReplyStopped(_OfReply, frozen=True, kw_only=True, tag="stopped"):
    """The answer was stopped, by that member if it was one."""

    user_id: str | None = msgspec.field(name="userId", default=None)
    name: str | None = None


class Rewound(RoomSaid, frozen=True, kw_only=True, tag="rewound"):
    """The log has nothing of what this client had read after *to*: forget it."""

    to: str


class Truncated(RoomSaid, frozen=True, kw_only=True, tag="truncated"):
    """What was said between these two places is no longer kept."""

    after: str
    first: str


class Invitation(RoomSaid, frozen=True, kw_only=True, tag="invitation"):
    """The answer to `Room.invite`."""

    id: str
    invitation: str
    role: str
    expires_ms: int


class Refused(RoomSaid, frozen=True, kw_only=True, tag="error"):
    """What this member sent was refused; `id` is its message's."""

    code: str
    message: str
    retryable: bool = False
    id: str | None = None
    retry_after_s: float | None = None


class Reconnecting(RoomSaid, frozen=True, kw_only=True, tag="-reconnecting"):
    """The connection broke; it is tried again in *retry_s*. Made by the client, not by the server."""

    reason: str
    retry_s: float


RoomEvent = (
    Message
    | Joined
    | Left
    | Typing
    | Cleared
    | Members
    | ReplyStarted
    | ReplyChunk
    | ReplyReset
    | ReplyEnded
    | ReplyFailed
    | ReplyStopped
    | Rewound
    | Truncated
    | Invitation
    | Refused
    | Reconnecting
)
