"""
A member's place in a room, which outlives its connections: it comes back after what it has read, and what it
has said is said once.
"""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from .errors import HeadraceError
from .room_events import Members, Message, Reconnecting, Refused, Rewound, RoomEvent
from .server import Server

_HEARTBEAT_S = 20.0
_TYPING_S = 1.5
_LONGEST_WAIT_S = 15.0
#: Close codes after which coming back is of no use.
_OUT = {4401: "unauthorized", 4403: "forbidden", 4409: "taken"}
_STATUS = {400: "invalid_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "taken"}
_PASSING = frozenset((408, 429, 500, 502, 503, 504))

_decoder: msgspec.json.Decoder[RoomEvent] = msgspec.json.Decoder(RoomEvent)


class Room:
    """
    Iterate to be there. What is said is sent by the connection of the moment, and again by the next one until
    the room's log has it.
    """

    def __init__(self, server: Server, room_id: str, after: str = "", **who: str | None) -> None:
        self._server = server
        self._path = f"/ws/{quote(room_id, safe='')}"
        self._who = {name: value for name, value in who.items() if value is not None}
        self._asked_id = self._who.setdefault("userId", f"guest-{uuid.uuid4().hex[:8]}")
        #: What tells that it is the same one again: others may see its id, and ask for that.
        self._who["member"] = uuid.uuid4().hex
        self._user_id = self._asked_id
        #: Where it would go on.
        self.position = after
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        #: What it has said and has not read yet, by its id.
        self._unread: dict[str, str] = {}
        self._typed_at = -_TYPING_S
        self._failures = 0
        self._left = asyncio.Event()

    @property
    def user_id(self) -> str:
        """Who it is there: the id that was asked for, or one like it where somebody else goes by that."""
        return self._user_id

    async def __aiter__(self) -> AsyncIterator[RoomEvent]:
        """
        What is said, each entry of the log once. Ends after `leave`. Raises `HeadraceError` where it may not
        be there (any more).
        """
        while not self._left.is_set():
            reason = "the connection ended"
            try:
                query = {**self._who, **({"after": self.position} if self.position else {})}
                async with self._server.socket(self._path, query, _HEARTBEAT_S) as socket:
                    if self._left.is_set():  # meanwhile
                        return
                    self._socket = socket
                    for sent in [*self._unread.values()]:
                        await socket.send_str(sent)
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT and (event := self._read(message.data)):
                            yield event
                    if (code := _OUT.get(socket.close_code or 0)) is not None:
                        raise HeadraceError("This member may not be there any more.", code=code)
            except aiohttp.WSServerHandshakeError as error:
                if error.status not in _PASSING:
                    code = _STATUS.get(error.status, "http_error")
                    raise HeadraceError("The room is not open.", code=code, status=error.status) from error
                reason = f"{error.status}"
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            finally:
                self._socket = None
            if not self._left.is_set():
                retry_s = min(_LONGEST_WAIT_S, 0.2 * 2 ** min(self._failures, 10)) * (1 + random.random() / 2)
                self._failures += 1
                yield Reconnecting(reason=reason, retry_s=retry_s)
                with suppress(TimeoutError):
                    async with asyncio.timeout(retry_s):
                        await self._left.wait()

    async def say(self, message: str) -> str:
        """Say it once, whatever breaks meanwhile; gives the id that it is read with. See `Refused`."""
        message_id = uuid.uuid4().hex
        sent = {"type": "send_message", "message": message, "userId": self._asked_id, "id": message_id}
        self._unread[message_id] = msgspec.json.encode(sent).decode()
        await self._send(self._unread[message_id])
        return message_id

    async def typing(self) -> None:
        """Tell the others; as often as it is called, seldom enough."""
        now = time.monotonic()
        if now - self._typed_at >= _TYPING_S:
            self._typed_at = now
            await self.send(type="user_typing")

    async def stop(self) -> None:
        """Stop the reply under way."""
        await self.send(type="stop")

    async def clear(self) -> None:
        """Let go of all that was said."""
        await self.send(type="clear")

    async def invite(self, role: str = "member", expires_s: int = 86_400) -> None:
        """Ask for an `Invitation`."""
        await self.send(type="invite", role=role, expires_s=expires_s)

    async def send(self, **fields: Any) -> None:
        """Anything, if there is a connection."""
        await self._send(msgspec.json.encode({**fields, "userId": self._asked_id}).decode())

    async def leave(self) -> None:
        """Go: the iteration ends."""
        self._left.set()
        if self._socket is not None:
            await self._socket.close()

    async def _send(self, sent: str) -> None:
        if self._socket is not None:
            with suppress(aiohttp.ClientError, OSError):  # the reading side finds out, and comes back
                await self._socket.send_str(sent)

    def _read(self, raw: str) -> RoomEvent | None:
        try:
            event = _decoder.decode(raw)
        except msgspec.DecodeError as error:
            self._server.say_once(30, "a room says what this client does not know", error)
            return None
        self._failures = 0
        if isinstance(event, Rewound):
            self.position = event.to
        elif event.position is not None:
            if not _follows(event.position, self.position):
                return None
            self.position = event.position
        if isinstance(event, Members):
            self._user_id = event.you or self._user_id
        if isinstance(event, Message | Refused) and event.id is not None:
            self._unread.pop(event.id, None)
        return event


def _follows(position: str, last: str) -> bool:
    life, _, number = position.partition("-")
    last_life, _, last_number = last.partition("-")
    return life != last_life or int(number) > int(last_number)
