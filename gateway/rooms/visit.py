"""
One member's connection to a room while it is open.

In: `send_message`, `user_typing`, `stop`, `clear`, `invite`, `resume`. Out: the room's log from where the
member is, in the same order for all; `user_typing` and `members`, which are of the moment; `invitation` and
`error`, for this member alone.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.edge.body import decode_body
from gateway.edge.state import STATE
from gateway.edge.websocket import answer_close
from gateway.rooms import access
from gateway.rooms.access import Entered
from gateway.rooms.acts import Acts, In
from gateway.rooms.frames import entry, placed
from gateway.rooms.identity import Caller
from gateway.rooms.place import Listener, Place
from shared.errors import (
    AccessEnded,
    BrokerUnavailable,
    Forbidden,
    HeadraceError,
    InvalidRequest,
    NotFound,
    Taken,
    Unauthorized,
)

logger = structlog.get_logger("gateway.rooms.visit")

_AGAIN_S = 0.2
#: How often it is looked up whether a member may still be there.
_CHECKED_S = 2.0
_CLEARED = b'{"type":"cleared"'

#: Close codes of ours, for those who may not be there any more: as in HTTP.
_NOT_ANY_MORE: dict[type[HeadraceError], int] = {Unauthorized: 4401, Forbidden: 4403, Taken: 4409}


class Visit:
    """A member's connection while it is open."""

    def __init__(
        self,
        request: web.Request,
        entered: Entered,
        socket: web.WebSocketResponse,
        place: Place,
        listener: Listener,
        caller: Caller,
    ) -> None:
        self._state = request.app[STATE]
        self._entered, self._socket, self._place = entered, socket, place
        self._listener = listener
        self._acts = Acts(request, entered, place, listener, caller, self._reply)
        #: With which code and words our side ends it.
        self._end: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._dismissed: AccessEnded | None = None

    async def last(self) -> None:
        """Until either side ends it."""
        reading = asyncio.create_task(self._read())
        tasks = [asyncio.create_task(self._tell()), asyncio.create_task(self._look())]
        try:
            ends: list[asyncio.Future[Any]] = [reading, self._end]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, *tasks):
                task.cancel()
            await asyncio.wait([reading, *tasks])
            self._ended.set()
        if self._end.done() and not self._socket.closed:
            # Nobody reads here any more, so that this waits until the other side has heard of it.
            code, why = self._end.result()
            if self._dismissed is not None:
                await self._refuse(self._dismissed)
            await self._socket.close(code=code, message=why)

    def dismiss(self, error: AccessEnded) -> None:
        """The key, token or session that it came by opens nothing any more."""
        self._dismissed = error
        self._finish(_NOT_ANY_MORE[Unauthorized], error.message.encode()[:120])

    async def leave(self) -> None:
        """Send it to another gateway."""
        self._finish(WSCloseCode.GOING_AWAY, b"come back with ?after=")
        await self._ended.wait()

    def _finish(self, code: int, why: bytes = b"") -> None:
        if not self._end.done():
            self._end.set_result((code, why))

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._refuse(InvalidRequest("Messages here are JSON texts."))
            self._listener.says_goodbye = await answer_close(self._socket)
        except Exception:
            logger.exception("a member cannot be heard", room=self._entered.room.name)
            self._finish(WSCloseCode.INTERNAL_ERROR)

    async def _tell(self) -> None:
        try:
            await self._socket.send_str(self._members())
            while True:
                try:
                    after, page = await self._listener.next()
                except BrokerUnavailable:
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if (rewound := self._listener.rewound) is not None:
                    self._listener.rewound = None
                    await self._socket.send_str(rewound.decode())
                await self._tell_page(after, page)
                while self._listener.fleeting:
                    await self._socket.send_str(self._listener.fleeting.popleft().decode())
        except NotFound:
            self._finish(WSCloseCode.SERVICE_RESTART, b"the room has gone")
        except ConnectionResetError:
            pass  # the reading side sees it too, and ends the visit
        except Exception:  # a member who is told nothing more must not believe that nothing is said
            logger.exception("a member cannot be told", room=self._entered.room.name)
            self._finish(WSCloseCode.INTERNAL_ERROR)

    async def _tell_page(self, after: int, page: list[tuple[int, bytes]]) -> None:
        life = self._place.life
        if page and page[0][0] != after + 1 and not page[0][1].startswith(_CLEARED):
            cut = entry("truncated", after=f"{life}-{after}", first=f"{life}-{page[0][0]}")
            await self._socket.send_str(cut.decode())
        for number, said in page:
            await self._socket.send_str(placed(life, number, said))

    async def _look(self) -> None:
        """End it when its member may not be there any more."""
        while True:
            await asyncio.sleep(_CHECKED_S)
            why = None
            with suppress(HeadraceError):  # the broker is away: asked again
                fields = await self._place.fields()
                why = access.why_not_any_more(self._entered, fields, self._acts.identity.user_id)
            if why is not None:
                code = next(code for kind, code in _NOT_ANY_MORE.items() if isinstance(why, kind))
                self._finish(code, why.message.encode()[:120])
                return

    async def _take(self, raw: str) -> None:
        said = None
        try:
            said = decode_body(raw.encode(), In)
            # What is accepted is done although its sender hangs up.
            await self._state.generations.surely(self._acts.take(said))
        except HeadraceError as error:
            await self._refuse(error, None if said is None else said.id)

    async def _refuse(self, error: HeadraceError, message_id: str | None = None) -> None:
        facts: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable}
        facts |= {"field": error.field, "retry_after_s": error.retry_after_s}
        facts["id"] = message_id[:200] if message_id else None
        with suppress(ConnectionResetError):
            await self._reply(entry("error", **facts))

    async def _reply(self, said: bytes) -> None:
        await self._socket.send_str(said.decode())

    def _members(self) -> str:
        there = [msgspec.json.decode(joined) for joined in self._place.present]
        who = [{name: each.get(name) for name in ("userId", "name", "role")} for each in there]
        as_of = f"{self._place.life}-{self._place.top}"
        return entry("members", members=who, as_of=as_of, you=self._acts.identity.user_id).decode()
