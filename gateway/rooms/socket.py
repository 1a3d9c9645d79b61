"""`GET /ws/{room_id}`: who comes in, and as whom. What is said then is a `Visit`."""

from contextlib import nullcontext

from aiohttp import web

from gateway.edge.access import known_model
from gateway.edge.body import checked_id
from gateway.edge.leavers import told_to_leave
from gateway.edge.state import ASKER, STATE
from gateway.edge.websocket import is_asked_for, websocket
from gateway.rooms import access
from gateway.rooms.acts import member_of
from gateway.rooms.hub import Rooms
from gateway.rooms.identity import Caller
from gateway.rooms.log import position_of
from gateway.rooms.visit import Visit
from shared.errors import Draining, InvalidRequest, TooBusy

ROOMS = web.AppKey("rooms", Rooms)

#: What is too long a message, and no longer than that, is refused with a word.
_LEAST_FRAME_BYTES = 1 << 20


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
    caller = Caller(request)
    if not is_asked_for(socket, request):
        raise InvalidRequest("This address is a WebSocket: ask for an upgrade.")
    entered = await access.entrance(request, name)
    model = known_model(state, entered.rules.model)
    if rooms.count(entered.room) >= state.settings.room_members:
        raise TooBusy("This room has no place for another member here.", retry_after_s=5)
    identity = await caller.identify(entered, caller.wanted)
    async with rooms.enter(entered.room, model, member_of(identity, entered)) as listener:
        listener.resume(after)
        caller.remember(socket)
        await socket.prepare(request)
        visit = Visit(request, entered, socket, rooms.place(entered.room), listener, caller)
        asker = request[ASKER] if entered.invitation is None else None
        with (
            told_to_leave(request.app, visit.leave),
            nullcontext() if asker is None else state.revocations.ending(asker, visit.dismiss),
        ):
            await visit.last()
    return socket
