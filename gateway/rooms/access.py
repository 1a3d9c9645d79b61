"""Whose room it is, what its rules are, and what somebody may do there."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.limits import count_apart, count_read
from gateway.edge.state import ASKER, STATE, State
from gateway.rooms.invitations import Invitation, Invitations, holds
from gateway.rooms.log import Room
from shared.asker import ANONYMOUS, Asker, Scope
from shared.errors import Forbidden, HeadraceError, NotFound, OutOfScope, Taken, Unauthorized
from shared.tenants import is_reserved

Role = Literal["creator", "member", "reader"]
#: Whose right something is: the creator's, or every member's that may write.
Right = Literal["creator", "members"]
#: What the model answers: every message, or those that name it.
Answers = Literal["every", "mention"]

#: Ids that are the creator's: whoever was invited goes by another.
CREATORS = "creator:"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Of a room, as its creator set them."""

    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    answers: Answers = "every"
    may_stop: Right = "members"
    may_clear: Right = "creator"
    may_invite: Right = "creator"
    model: str | None = None


class Entered(NamedTuple):
    """A room, its rules, what somebody may do there, and by which invitation, if not as its creator."""

    room: Room
    rules: Rules
    role: Role
    invitation: Invitation | None = None

    def may(self, right: Right) -> bool:
        """Whether *right* is theirs."""
        return self.role == "creator" or (self.role == "member" and right == "members")


def room_of(state: State, name: str, asker: str) -> Room:
    """The room that *asker*, an owner of the keyspace, calls so."""
    return Room(state.broker, state.settings, name, _owner(asker))


async def opened(state: State, name: str, asker: Asker, rules: Rules) -> tuple[Entered, bool]:
    """
    *asker*'s room, made with *rules* unless it is there; and whether it is new. Its replies are *asker*'s to
    pay. Raises `RateLimited`.
    """
    room = room_of(state, name, asker.owner)
    if not asker.reads_counted and not await room.fields():
        await count_apart(state, asker)  # whose request was not counted when it came
    given = {"rules": msgspec.json.encode(rules).decode()}
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


async def entrance(request: web.Request, name: str) -> Entered:
    """
    The room that *request* enters: by an invitation, else its asker's own, made where there is none.

    Raises `Unauthorized`, `OutOfScope`, `RateLimited`, and `Forbidden` once an invitation holds no more.
    """
    if "invitation" in request.query:
        return await _invited(request, name)
    asker = await _asker(request, "chat")
    return (await opened(request.app[STATE], name, asker, Rules()))[0]


async def looked_into(request: web.Request, name: str) -> Entered:
    """The same for whoever only reads what is there: no room is made. Raises `NotFound` also."""
    if "invitation" in request.query:
        return await _invited(request, name)
    asker = await _asker(request, "chat", "read")
    return await known(request.app[STATE], name, asker.owner)


async def _invited(request: web.Request, name: str) -> Entered:
    state, token = request.app[STATE], request.query["invitation"]
    invitation = await Invitations(state.sealing).read(token)
    room = Room(state.broker, state.settings, invitation.room, invitation.owner)
    if room.name != name:
        raise Unauthorized("`invitation` is for another room.")
    fields = await room.fields()
    if not holds(fields, invitation):
        raise Forbidden("This invitation has expired, or was revoked.", field="invitation")
    return Entered(room, _rules(fields), invitation.role, invitation)


def why_not_any_more(entered: Entered, fields: Mapping[str, str], user_id: str) -> HeadraceError | None:
    """
    Why somebody who was invited may not be there any more: the invitation, or the name that they go by, is
    not theirs any more. Of keys, tokens and sessions see `Visit.dismiss`.
    """
    if entered.invitation is None:
        return None
    if not holds(fields, entered.invitation):
        return Forbidden("This invitation has expired, or was revoked.")
    if f"{CREATORS}{user_id}" in fields:
        return Taken("Somebody else goes by this `userId` here.")
    return None


async def _asker(request: web.Request, *scopes: Scope) -> Asker:
    asker = request[ASKER] = await request.app[STATE].askers.of(request)
    if not asker.scopes.intersection(scopes):
        wanted = " or ".join(f"`{scope}`" for scope in scopes)
        raise OutOfScope(f"This needs the scope {wanted}, which your key does not have.")
    await count_read(request)
    return asker


def _owner(asker: str) -> str:
    return hashlib.sha256(f"room:{asker}".encode()).hexdigest()[:24]


def _rules(fields: Mapping[str, str]) -> Rules:
    return msgspec.json.decode(fields["rules"], type=Rules)


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
