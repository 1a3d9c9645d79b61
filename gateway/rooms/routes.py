"""Rooms: several people in one conversation."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from gateway.edge.state import STATE
from gateway.rooms import rooms
from gateway.rooms.hub import Rooms
from gateway.rooms.invitations import NewInvitation
from gateway.rooms.socket import ROOMS, attend
from gateway.route import RANGE, STRING, Route

_ENTRANCE = (
    ("query", "after", STRING),
    ("query", "userId", STRING),
    ("query", "name", STRING),
    ("query", "member", STRING),
    ("query", "invitation", STRING),
)

ROUTES: Sequence[Route] = (
    Route(
        "GET",
        "/ws/{room_id}",
        attend,
        gives="application/json",
        statuses=(101,),
        errors=(400, 401, 403, 404, 429, 503),
        parameters=_ENTRANCE,
        public=True,
    ),
    Route(
        "POST",
        "/api/rooms",
        rooms.create,
        body=rooms.NewRoom,
        gives=rooms.RoomInfo,
        statuses=(200, 201),
        errors=(400, 401, 404, 413, 415, 503),
        counts=True,
    ),
    Route("GET", "/api/rooms/{room_id}", rooms.show, gives=rooms.RoomInfo),
    Route(
        "GET",
        "/api/rooms/{room_id}/blobs/{hash}",
        rooms.blob,
        gives="application/octet-stream",
        statuses=(200, 206, 304),
        errors=(400, 401, 403, 404, 416, 429, 503),
        parameters=(("header", "If-None-Match", STRING), *RANGE, ("query", "invitation", STRING)),
        public=True,
    ),
    Route(
        "POST",
        "/api/rooms/{room_id}/invitations",
        rooms.invite,
        body=NewInvitation,
        gives=rooms.Invited,
        statuses=(201,),
        errors=(400, 401, 404, 413, 415, 503),
        counts=True,
    ),
    Route(
        "DELETE",
        "/api/rooms/{room_id}/invitations/{invitation_id}",
        rooms.revoke,
        statuses=(204,),
        errors=(400, 401, 404, 503),
    ),
)


async def running(app: web.Application) -> AsyncIterator[None]:
    """The task that follows rooms, as long as the application runs."""
    app[ROOMS] = Rooms(app[STATE])
    task = asyncio.create_task(app[ROOMS].run())
    yield
    task.cancel()
    await asyncio.wait([task])
