"""Whose room it is, what its rules are, and who was invited."""

import base64
import hashlib
import hmac
import secrets
import time
from typing import Annotated, Literal, NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.state import State
from gateway.rooms.log import Room
from shared.asker import ANONYMOUS, Asker
from shared.errors import Forbidden, NotFound, OutOfScope, Unauthorized
from shared.tenants import is_reserved

#: What somebody may do there. A creator also invites.
Role = Literal["creator", "member", "reader"]
#: What the model answers: every message, or those that name it.
Answers = Literal["every", "mention"]

_INVITED = "invited:"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Of a room, as its creator set them."""

    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    answers: Answers = "every"
    may_stop: Literal["members", "creator"] = "members"
    model: str | None = None


class Invitation(msgspec.Struct, frozen=True):
    """What its token says. The room has its `id` as long as it has not been revoked."""

    owner: str
    room: str
    id: str
    role: Literal["member", "reader"]
    expires_s: int


class Entered(NamedTuple):
    """A room, its rules, and what this asker may do there."""

    room: Room
    rules: Rules
    role: Role


def room_of(state: State, name: str, asker: str) -> Room:
    """The room that *asker*, an owner of the keyspace, calls so."""
    return Room(state.broker, state.settings, name, _owner(asker))


async def opened(state: State, name: str, asker: Asker, rules: Rules) -> tuple[Entered, bool]:
    """
    *asker*'s room, made with *rules* unless it is there; and whether it is new. Its replies are *asker*'s to
    pay.
    """
    room = room_of(state, name, asker.owner)
    given = {"rules": msgspec.json.encode(rules).decode(), "secret": secrets.token_hex(32)}
    given |= {"tenant": asker.tenant, "user": asker.user, "key": asker.key or ""}
    fields, new = await room.open(given)
    return Entered(room, _rules(fields), "creator"), new


async def known(state: State, name: str, asker: str) -> Entered:
    """*asker*'s room. Raises `NotFound`."""
    room = room_of(state, name, asker)
    fields = await room.fields()
    if not fields:
        raise NotFound("There is no room of that name.", field="room_id")
    return Entered(room, _rules(fields), "creator")


async def invite(room: Room, role: Literal["member", "reader"], expires_s: int) -> tuple[Invitation, str]:
    """An invitation and its token. Raises `NotFound` when the room has gone."""
    fields = await room.fields()
    if not fields:
        raise NotFound("There is no room of that name.", field="room_id")
    until = int(time.time()) + expires_s
    invitation = Invitation(room.owner, room.name, secrets.token_hex(8), role, until)
    await room.change(**{f"{_INVITED}{invitation.id}": str(until)})
    said = base64.urlsafe_b64encode(msgspec.json.encode(invitation)).decode().rstrip("=")
    return invitation, f"{said}.{_seal(fields['secret'], said)}"


async def revoke(room: Room, invitation_id: str) -> None:
    """Nobody enters by it any more. Raises `NotFound`."""
    if f"{_INVITED}{invitation_id}" not in await room.fields():
        raise NotFound("There is no invitation of that id.", field="invitation_id")
    await room.change(**{f"{_INVITED}{invitation_id}": ""})


async def invited(state: State, name: str, token: str) -> Entered:
    """The room that *token* opens. Raises `Unauthorized`, `Forbidden` once it has expired or been revoked."""
    said, _, seal = token.partition(".")
    try:
        raw = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
        invitation = msgspec.json.decode(raw, type=Invitation)
    except (ValueError, msgspec.DecodeError) as error:
        raise Unauthorized("`invitation` is none.") from error
    room = Room(state.broker, state.settings, invitation.room, invitation.owner)
    fields = await room.fields()
    right = _seal(fields.get("secret", ""), said)
    if not fields or invitation.room != name or not hmac.compare_digest(right.encode(), seal.encode()):
        raise Unauthorized("`invitation` is none for this room.")
    if f"{_INVITED}{invitation.id}" not in fields or invitation.expires_s < time.time():
        raise Forbidden("This invitation has expired, or was revoked.", field="invitation")
    return Entered(room, _rules(fields), invitation.role)


async def is_still_invited(room: Room, token: str) -> bool:
    """Whether the invitation that somebody entered by has been revoked or has expired meanwhile."""
    said = token.partition(".")[0]
    invitation = msgspec.json.decode(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)), type=Invitation)
    return f"{_INVITED}{invitation.id}" in await room.fields() and invitation.expires_s >= time.time()


def _seal(secret: str, said: str) -> str:
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def _owner(asker: str) -> str:
    return hashlib.sha256(f"room:{asker}".encode()).hexdigest()[:24]


def _rules(fields: dict[str, str]) -> Rules:
    return msgspec.json.decode(fields["rules"], type=Rules)


async def asker_of(state: State, request: web.Request) -> Asker:
    """Who sends *request*, and may chat. Raises `Unauthorized` and `OutOfScope`."""
    asker = await state.askers.of(request)
    if "chat" not in asker.scopes:
        raise OutOfScope("This needs the scope `chat`, which your key does not have.")
    return asker


async def payer_of(state: State, room: Room) -> Asker:
    """
    Who pays for the replies of *room*: whoever made it. Raises `Unauthorized` where that one's key is gone.
    """
    fields = await room.fields()
    tenant, user, key = (fields.get(name, "") for name in ("tenant", "user", "key"))
    if key:
        payer = await state.known_keys.by_id(key)
        if payer is None:
            raise Unauthorized("The key that this room was made with is gone.")
        return payer
    if not tenant or is_reserved(tenant):
        return ANONYMOUS
    return await state.known_keys.of_subject(tenant, user, ())
