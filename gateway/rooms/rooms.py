"""Rooms over HTTP: make one, look at it, invite people and take that back."""

import uuid
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.edge.access import known_model
from gateway.edge.answers import answer_json
from gateway.edge.body import checked_id, read_body
from gateway.edge.kept import answer_shown
from gateway.edge.state import ASKER, STATE
from gateway.rooms import access, invitations
from gateway.rooms.access import Answers, Right, Rules
from gateway.rooms.invitations import Invitations, InvitedRole, NewInvitation
from shared.errors import NotFound
from shared.names import shown_name


class NewRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /api/rooms`"""

    room_id: str | None = None
    title: Annotated[str, Meta(max_length=200)] = ""
    answers: Answers = "every"
    may_stop: Right = "members"
    may_clear: Right = "creator"
    may_invite: Right = "creator"
    model: str | None = None


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room as its creator sees it."""

    room_id: str
    title: str
    answers: Answers
    may_stop: Right
    may_clear: Right
    may_invite: Right
    model: str
    location: str


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever has `invitation` may enter at `location` until it expires or is revoked."""

    id: str
    invitation: str
    role: InvitedRole
    expires_ms: int
    location: str


async def create(request: web.Request) -> web.StreamResponse:
    """Make a room; one that is there already keeps its rules."""
    state, asked = request.app[STATE], await read_body(request, NewRoom)
    name = checked_id(asked.room_id, "room_id") if asked.room_id is not None else f"room_{uuid.uuid4().hex}"
    model = known_model(state, asked.model)
    rules = Rules(
        title=shown_name(asked.title, len(asked.title)),
        answers=asked.answers,
        may_stop=asked.may_stop,
        may_clear=asked.may_clear,
        may_invite=asked.may_invite,
        model=model,
    )
    entered, new = await access.opened(state, name, request[ASKER], rules)
    return answer_json(_info(entered, model), status=201 if new else 200)


async def show(request: web.Request) -> web.StreamResponse:
    """A room's rules."""
    state = request.app[STATE]
    entered = await access.known(state, request.match_info["room_id"], request[ASKER].owner)
    return answer_json(_info(entered, known_model(state, entered.rules.model)))


async def invite(request: web.Request) -> web.StreamResponse:
    """An invitation, to be given to whoever is to come."""
    state, asked = request.app[STATE], await read_body(request, NewInvitation)
    entered = await access.known(state, request.match_info["room_id"], request[ASKER].owner)
    invitation, token = await Invitations(state.sealing).make(entered.room, asked)
    answer = Invited(
        id=invitation.id,
        invitation=token,
        role=invitation.role,
        expires_ms=invitation.expires_s * 1000,
        location=f"/ws/{entered.room.name}?invitation={token}",
    )
    return answer_json(answer, status=201)


async def revoke(request: web.Request) -> web.StreamResponse:
    """Take an invitation back: whoever came by it is shown out within seconds."""
    state = request.app[STATE]
    entered = await access.known(state, request.match_info["room_id"], request[ASKER].owner)
    await invitations.revoke(entered.room, request.match_info["invitation_id"])
    return web.Response(status=204)


async def blob(request: web.Request) -> web.StreamResponse:
    """A picture of a reply, for whoever may be in the room; none of its owner's that was not shown there."""
    entered = await access.looked_into(request, checked_id(request.match_info["room_id"], "room_id"))
    owner = entered.room.owner
    whole = await request.app[STATE].conversations.read(owner, entered.room.name)
    if whole is None:
        raise NotFound("There is no such blob.", field="hash")
    return await answer_shown(request, owner, whole)


def _info(entered: access.Entered, model: str) -> RoomInfo:
    rules = entered.rules
    return RoomInfo(
        room_id=entered.room.name,
        title=rules.title,
        answers=rules.answers,
        may_stop=rules.may_stop,
        may_clear=rules.may_clear,
        may_invite=rules.may_invite,
        model=model,
        location=f"/ws/{entered.room.name}",
    )
