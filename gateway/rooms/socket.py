"""
`GET /ws/{room_id}`: one member's WebSocket.

In: `send_message`, `user_typing`, `stop`, `resume`. Out: the room's log from where the member is, in the same
order for all; `user_typing` and `members`, which are of the moment; `error`, for this member alone.
"""

import asyncio
import re
import secrets
import time
from collections import deque
from contextlib import nullcontext, suppress
from typing import Any

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.edge.access import known_model
from gateway.edge.body import checked_id, clean_text
from gateway.edge.limits import count_read
from gateway.edge.state import ASKER, STATE, State
from gateway.rooms import access
from gateway.rooms.access import Entered, Rules
from gateway.rooms.frames import entry, placed
from gateway.rooms.hub import Listener, Place, Rooms
from gateway.rooms.log import Member, Said
from shared.errors import (
    AccessEnded,
    BrokerUnavailable,
    Draining,
    Forbidden,
    HeadraceError,
    InvalidRequest,
    NotFound,
    TooBusy,
)

logger = structlog.get_logger("gateway.rooms.socket")

ROOMS = web.AppKey("rooms", Rooms)

#: Well within the time after which proxies take a silent connection for dead.
_PING_S = 15.0
#: Messages in so many seconds.
_MESSAGES, _WITHIN_S = 20, 10.0
_TYPING_S = 1.0
_AGAIN_S = 0.2
#: How often a member who was invited is looked up again.
_INVITED_S = 5.0
_MENTION = re.compile(r"(?<!\w)@assistant\b", re.IGNORECASE)

#: A close code of ours. A gateway that goes away says 1001: come back, with `?after=`.
REVOKED = 4403


class _In(msgspec.Struct):
    """Whatever a member sends; fields that it does not know are passed over."""

    type: str
    message: str | None = None
    userId: str | None = None
    id: str | None = None
    after: str | None = None


async def attend(request: web.Request) -> web.StreamResponse:
    """Be in a room for as long as the connection lasts."""
    state = request.app[STATE]
    if state.draining:
        raise Draining(retry_after_s=1)
    name = checked_id(request.match_info["room_id"], "room_id")
    token, asker = request.query.get("invitation"), None
    if token is None:
        asker = request[ASKER] = await access.asker_of(state, request)
        # Whoever comes first makes the room.
        await count_read(request)
        entered, _ = await access.opened(state, name, asker, Rules())
    else:
        entered = await access.invited(state, name, token)
    after = _number(request.query.get("after"))
    user_id = _user(request.query.get("userId")) or f"guest-{secrets.token_hex(4)}"
    shown = " ".join(clean_text(request.query.get("name") or user_id, "name", 60).split())
    rooms = request.app[ROOMS]
    if rooms.count(entered.room) >= state.settings.room_members:
        raise TooBusy("This room has no place for another member here.", retry_after_s=5)
    socket = web.WebSocketResponse(
        heartbeat=_PING_S, max_msg_size=8 * state.settings.max_message_chars + 4096, compress=False
    )
    if not socket.can_prepare(request).ok:
        raise InvalidRequest("This address is a WebSocket: ask for an upgrade.")
    await socket.prepare(request)
    about = {"userId": user_id, "name": shown, "role": entered.role}
    member = Member(user_id, entry("user_joined", **about), entry("user_left", **about))
    model = known_model(state, entered.rules.model)
    async with rooms.enter(entered.room, model, member, after) as listener:
        visit = _Visit(state, entered, socket, rooms.place(entered.room), listener, user_id, shown)
        with nullcontext() if asker is None else state.revocations.ending(asker, visit.dismiss):
            await visit.last(token)
    return socket


class _Visit:
    """A member's connection while it is open."""

    def __init__(
        self,
        state: State,
        entered: Entered,
        socket: web.WebSocketResponse,
        place: Place,
        listener: Listener,
        user_id: str,
        name: str,
    ) -> None:
        self._state, self._entered, self._socket, self._place = state, entered, socket, place
        self._listener, self._user_id, self._name = listener, user_id, name
        self._sent: deque[float] = deque(maxlen=_MESSAGES)
        self._typed_at = 0.0
        self._dismissed: AccessEnded | None = None

    def dismiss(self, error: AccessEnded) -> None:
        """The key or the session that it came by opens nothing any more."""
        self._dismissed = error

    async def last(self, token: str | None) -> None:
        """Until either side ends it."""
        tasks = [asyncio.create_task(self._tell()), asyncio.create_task(self._look(token))]
        try:
            if self._listener.cursor > self._place.top:
                await self._refuse(InvalidRequest("`after` is ahead of this room's log.", field="after"))
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"after is ahead")
                return
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._refuse(InvalidRequest("Messages here are JSON texts."))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _tell(self) -> None:
        try:
            await self._socket.send_str(_members(self._place.present))
            while True:
                try:
                    after, page = await self._listener.next()
                except BrokerUnavailable:
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if page and page[0][0] != after + 1:
                    cut = entry("truncated", after=f"1-{after}", first=f"1-{page[0][0]}")
                    await self._socket.send_str(cut.decode())
                for number, said in page:
                    await self._socket.send_str(placed(number, said))
                while self._listener.fleeting:
                    await self._socket.send_str(self._listener.fleeting.popleft().decode())
        except NotFound:
            await self._socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"the room has gone")
        except ConnectionResetError:
            pass  # the reading side sees it too, and ends the visit
        except Exception:  # a member who is told nothing more must not believe that nothing is said
            logger.exception("a member cannot be told", room=self._entered.room.name)
            await self._socket.close(code=WSCloseCode.INTERNAL_ERROR)

    async def _look(self, token: str | None) -> None:
        """End it when this gateway goes away, or what it was let in by does."""
        waited = 0.0
        while True:
            await asyncio.sleep(0.25)
            waited += 0.25
            if self._state.draining:
                await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"come back with ?after=")
                return
            if self._dismissed is not None:
                await self._refuse(self._dismissed)
                await self._socket.close(
                    code=REVOKED, message=b"the key was revoked, or the session has ended"
                )
                return
            if token is not None and waited >= _INVITED_S:
                waited = 0.0
                with suppress(HeadraceError):  # the broker is away: asked again
                    if not await access.is_still_invited(self._entered.room, token):
                        await self._socket.close(code=REVOKED, message=b"the invitation was revoked")
                        return

    async def _take(self, raw: str) -> None:
        try:
            said = msgspec.json.decode(raw, type=_In)
        except msgspec.DecodeError as error:
            await self._refuse(InvalidRequest(f"This is no message of a room: {error}."))
            return
        try:
            # What is accepted is done although its sender hangs up.
            await self._state.generations.surely(self._do(said))
        except HeadraceError as error:
            await self._refuse(error, said.id)

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
            case "resume":
                self._listener.cursor = min(_number(said.after), self._place.top)
                self._listener.more.set()
            case _:
                raise InvalidRequest(f"No message of a room is called {said.type[:40]!r}.", field="type")

    async def _say(self, said: _In) -> None:
        if self._entered.role == "reader":
            raise Forbidden("You may read here, and not write.")
        now = time.monotonic()
        if len(self._sent) == _MESSAGES and now - self._sent[0] < _WITHIN_S:
            raise TooBusy("You write faster than a room takes it.", retry_after_s=_WITHIN_S)
        text = clean_text(said.message or "", "message", self._state.settings.max_message_chars)
        self._sent.append(now)
        once = "" if said.id is None else f"{self._user_id}:{checked_id(said.id, 'id')}"
        asks = self._entered.rules.answers == "every" or _MENTION.search(text) is not None
        words = entry(
            "message",
            userId=self._user_id,
            name=self._name,
            content=text,
            message=text,
            id=said.id,
            conversation_id=self._entered.room.name,
            asks=asks or None,
        )
        await self._entered.room.say([Said(words, once, "asks" if asks else "")])

    async def _type(self) -> None:
        now = time.monotonic()
        if now - self._typed_at >= _TYPING_S:
            self._typed_at = now
            words = entry("user_typing", userId=self._user_id, name=self._name)
            await self._entered.room.say([Said(words, flag="fleeting")])

    async def _stop(self) -> None:
        role = self._entered.role
        if role == "reader" or (self._entered.rules.may_stop == "creator" and role != "creator"):
            raise Forbidden("You may not stop replies here.")
        active = (await self._entered.room.fields()).get("active")
        if active is not None:
            await self._state.generations.cancel(active, self._entered.room.owner, "user")

    async def _refuse(self, error: HeadraceError, message_id: str | None = None) -> None:
        facts: dict[str, Any] = {"code": error.code, "message": error.message, "retryable": error.retryable}
        facts |= {"field": error.field, "id": message_id, "retry_after_s": error.retry_after_s}
        with suppress(ConnectionResetError):
            await self._socket.send_str(entry("error", **facts).decode())


def _members(present: list[bytes]) -> str:
    members = [msgspec.json.decode(joined) for joined in present]
    who = [{"userId": each["userId"], "name": each["name"], "role": each.get("role")} for each in members]
    return entry("members", members=who).decode()


def _user(given: str | None) -> str | None:
    return None if not given else checked_id(given, "userId")


def _number(position: str | None) -> int:
    if not position:
        return 0
    match = re.fullmatch(r"1-(0|[1-9]\d{0,15})", position, re.ASCII)
    if match is None:
        raise InvalidRequest("`after` is a position of this room's log, like 1-17.", field="after")
    return int(match[1])
