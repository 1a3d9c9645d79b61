"""
One member's connection to a room while it is open.

In: `send_message`, `user_typing`, `stop`, `clear`, `invite`, `resume`. Out: the room's log from where the
member is, in the same order for all; `user_typing` and `members`, which are of the moment; `invitation` and
`error`, for this member alone.
"""

import asyncio
import hashlib
import re
import time
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.edge.body import checked, checked_id, clean_text, decode_body
from gateway.edge.limits import count_apart
from gateway.edge.state import ASKER, STATE
from gateway.edge.websocket import answer_close
from gateway.rooms import access
from gateway.rooms.access import Entered
from gateway.rooms.frames import entry, placed
from gateway.rooms.invitations import Invitations, NewInvitation
from gateway.rooms.log import Said, position_of
from gateway.rooms.place import Listener, Place
from shared.errors import (
    AccessEnded,
    BrokerUnavailable,
    Conflict,
    Forbidden,
    HeadraceError,
    InvalidRequest,
    NotFound,
    Taken,
    TooBusy,
    Unauthorized,
)
from shared.outcome import stopped_unbegun
from shared.tenants import is_reserved

logger = structlog.get_logger("gateway.rooms.visit")

_TYPING_S = 1.0
_AGAIN_S = 0.2
#: How often it is looked up whether a member may still be there.
_CHECKED_S = 2.0
_MENTION = re.compile(r"(?<!\w)@assistant\b", re.IGNORECASE)
_CLEARED = b'{"type":"cleared"'

#: Close codes of ours, for those who may not be there any more: as in HTTP.
_NOT_ANY_MORE: dict[type[HeadraceError], int] = {Unauthorized: 4401, Forbidden: 4403, Taken: 4409}


class _In(msgspec.Struct):
    """Whatever a member sends; fields that it does not know are passed over."""

    type: str
    message: str | None = None
    userId: str | None = None
    id: str | None = None
    after: str | None = None
    role: str | None = None
    expires_s: int | None = None


class Visit:
    """A member's connection while it is open."""

    def __init__(
        self,
        request: web.Request,
        entered: Entered,
        socket: web.WebSocketResponse,
        place: Place,
        listener: Listener,
        name: str,
    ) -> None:
        self._request, self._state = request, request.app[STATE]
        self._entered, self._socket, self._place = entered, socket, place
        self._listener, self._user_id, self._name = listener, listener.member.id, name
        self._typed_at = 0.0
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
        """The key or the session that it came by opens nothing any more."""
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
                why = await access.why_not_any_more(
                    self._state, self._request, self._entered, await self._place.fields(), self._user_id
                )
            if why is not None:
                code = next(code for kind, code in _NOT_ANY_MORE.items() if isinstance(why, kind))
                self._finish(code, why.message.encode()[:120])
                return

    async def _take(self, raw: str) -> None:
        said = None
        try:
            said = decode_body(raw.encode(), _In)
            # What is accepted is done although its sender hangs up.
            await self._state.generations.surely(self._do(said))
        except HeadraceError as error:
            await self._refuse(error, None if said is None else said.id)

    async def _do(self, said: _In) -> None:
        if said.userId is not None and said.userId != self._user_id:
            raise InvalidRequest(
                f"You are {self._user_id!r} here: connect with ?userId= to be another.", field="userId"
            )
        match said.type:
            case "send_message":
                await self._say(said)
            case "user_typing":
                await self._type()
            case "stop":
                await self._stop()
            case "clear":
                await self._clear()
            case "invite":
                await self._invite(said)
            case "resume":
                self._listener.resume(position_of(said.after))
            case _:
                raise InvalidRequest(f"No message of a room is called {said.type[:40]!r}.", field="type")

    async def _say(self, said: _In) -> None:
        self._check_writes()
        text = clean_text(said.message or "", "message", self._state.settings.max_message_chars)
        once = ""
        if said.id is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()[:32]
            once = f"{self._user_id}/{checked_id(said.id, 'id')} {digest}"
        asks = self._entered.rules.answers == "every" or _MENTION.search(text) is not None
        self._place.pace.take(self._user_id)
        asker = self._request.get(ASKER)
        if asks and asker is not None and is_reserved(asker.tenant):
            await count_apart(self._state, asker)  # the room's payer is nobody, whose address is not known
        words = entry(
            "message",
            **self._who(),
            role=self._entered.role,
            content=text,
            message=text,
            id=said.id,
            conversation_id=self._entered.room.name,
            asks=asks or None,
        )
        await self._entered.room.say([Said(words, once, "asks" if asks else "")])

    async def _type(self) -> None:
        self._check_writes()
        now = time.monotonic()
        if now - self._typed_at >= _TYPING_S:
            self._typed_at = now
            await self._entered.room.say([Said(entry("user_typing", **self._who()), flag="fleeting")])

    async def _stop(self) -> None:
        room, rules = self._entered.room, self._entered.rules
        if not self._entered.may(rules.may_stop):
            raise Forbidden("You may not stop replies here.")
        fields = await room.fields()
        active = fields.get("active")
        if active is None:
            raise Conflict("No reply is under way here.")
        if f'"{active}"' not in fields.get("stopper", ""):
            # Whoever was first is named.
            stopper = {"generation_id": active, **self._who()}
            await room.change({"stopper": msgspec.json.encode(stopper).decode()})
        try:
            await self._state.generations.cancel(active, room.owner, "user")
        except NotFound as error:
            raise TooBusy("The reply has not begun yet: stop it again.", retry_after_s=1) from error

    async def _clear(self) -> None:
        room, rules = self._entered.room, self._entered.rules
        if not self._entered.may(rules.may_clear):
            raise Forbidden("You may not clear this room.")
        about = {"generation_id": "{id}", "conversation_id": room.name, "reason": "user"}
        stopped = await room.clear(
            entry("cleared", **self._who()), entry("stopped", **about, **self._who()), stopped_unbegun("user")
        )
        await self._state.generations.settle_stopped(stopped, "user")

    async def _invite(self, said: _In) -> None:
        if not self._entered.may(self._entered.rules.may_invite):
            raise Forbidden("You may not invite others here.")
        wanted = checked({"role": said.role, "expires_s": said.expires_s}, NewInvitation)
        self._place.pace.take(self._user_id)
        invitations = Invitations(self._state.sealing)
        made, token = await invitations.make(self._entered.room, wanted, self._entered.invitation)
        about = {"id": made.id, "invitation": token, "role": made.role, "expires_ms": made.expires_s * 1000}
        await self._socket.send_str(entry("invitation", **about).decode())

    def _check_writes(self) -> None:
        if self._entered.role == "reader":
            raise Forbidden("You may read here, and not write.")

    def _who(self) -> dict[str, str]:
        return {"userId": self._user_id, "name": self._name}

    async def _refuse(self, error: HeadraceError, message_id: str | None = None) -> None:
        facts: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable}
        facts |= {"field": error.field, "retry_after_s": error.retry_after_s}
        facts["id"] = message_id[:200] if message_id else None
        with suppress(ConnectionResetError):
            await self._socket.send_str(entry("error", **facts).decode())

    def _members(self) -> str:
        there = [msgspec.json.decode(joined) for joined in self._place.present]
        who = [{name: each.get(name) for name in ("userId", "name", "role")} for each in there]
        as_of = f"{self._place.life}-{self._place.top}"
        return entry("members", members=who, as_of=as_of, you=self._user_id).decode()
