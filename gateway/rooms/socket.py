"""`GET /ws/{room_id}`: who comes in, and as whom. What is said then is a `Visit`."""

import secrets
from contextlib import nullcontext

from aiohttp import web

from gateway.edge.access import known_model
from gateway.edge.body import checked_id, clean_text
from gateway.edge.leavers import told_to_leave
from gateway.edge.state import ASKER, STATE
from gateway.edge.websocket import is_asked_for, websocket
from gateway.rooms import access
from gateway.rooms.frames import entry
from gateway.rooms.hub import Rooms
from gateway.rooms.log import Member, position_of
from gateway.rooms.visit import Visit
from shared.errors import Draining, InvalidRequest, TooBusy

ROOMS = web.AppKey("rooms", Rooms)

#: What is too long a message, and no longer than that, is refused with a word.
_LEAST_FRAME_BYTES = 1 << 20
_MOST_NAME_CHARS = 60


async def attend(request: web.Request) -> web.StreamResponse:
    """Be in a room for as long as the connection lasts."""
    state, rooms = request.app[STATE], request.app[ROOMS]
    if state.draining:
        raise Draining(retry_after_s=1)
    socket = websocket(max(8 * state.settings.max_message_chars, _LEAST_FRAME_BYTES))
    name, after = (
        checked_id(request.match_info["room_id"], "room_id"),
        position_of(request.query.get("after")),
    )
    user_id = checked_id(request.query.get("userId") or f"guest-{secrets.token_hex(4)}", "userId")
    called = " ".join(clean_text(request.query.get("name") or user_id, "name", _MOST_NAME_CHARS).split())
    if not is_asked_for(socket, request):
        raise InvalidRequest("This address is a WebSocket: ask for an upgrade.")
    entered = await access.entrance(request, name)
    called = await access.take_name(entered, user_id, called)
    model = known_model(state, entered.rules.model)
    if rooms.count(entered.room) >= state.settings.room_members:
        raise TooBusy("This room has no place for another member here.", retry_after_s=5)
    about = {"userId": user_id, "name": called, "role": entered.role}
    member = Member(user_id, entry("user_joined", **about), entry("user_left", **about))
    async with rooms.enter(entered.room, model, member) as listener:
        listener.resume(after)
        await socket.prepare(request)
        visit = Visit(request, entered, socket, rooms.place(entered.room), listener, called)
        asker = request[ASKER] if entered.invitation is None else None
        with (
            told_to_leave(request.app, visit.leave),
            nullcontext() if asker is None else state.revocations.ending(asker, visit.dismiss),
        ):
            await visit.last()
    return socket
