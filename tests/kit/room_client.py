"""A member of a room: a plain WebSocket that keeps everything it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

_PATIENCE_S = 15.0


class MemberClient:
    """One connection of one member."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        #: Everything, in order.
        self.told: list[dict[str, Any]] = []

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it was told of the room's log."""
        return [each for each in self.told if "position" in each]

    @property
    def last(self) -> str:
        """Where it would go on."""
        return str(self.log[-1]["position"]) if self.log else "1-0"

    @property
    def numbers(self) -> list[int]:
        """Of the log's entries that it was told."""
        return [number(each["position"]) for each in self.log]

    @property
    def as_of(self) -> int:
        """The number of the log's last entry when it came."""
        return number(self.told[0]["as_of"])

    async def say(self, message: str, **fields: Any) -> None:
        """Send a message."""
        await self.send(type="send_message", message=message, **fields)

    async def send(self, **fields: Any) -> None:
        """Send anything."""
        await self.socket.send_json(fields)

    async def next(self) -> dict[str, Any] | None:
        """What it is told next; None once the connection has ended."""
        async with asyncio.timeout(_PATIENCE_S):
            message = await self.socket.receive()
        if message.type is not WSMsgType.TEXT:
            return None
        said: dict[str, Any] = message.json()
        self.told.append(said)
        return said

    async def until(self, kind: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """The *count*th of that type, with those fields, from here. Fails when the connection ends before."""
        while said := await self.next():
            if said["type"] == kind and all(said.get(name) == value for name, value in fields.items()):
                count -= 1
                if not count:
                    return said
        raise AssertionError(f"closed with {self.socket.close_code} before {kind!r}: {self.told[-5:]}")


def number(position: str) -> int:
    """An entry's number in its room's log."""
    return int(position.partition("-")[2])


@asynccontextmanager
async def member(
    session: ClientSession,
    url: str,
    room: str,
    user: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    is_plain: bool = False,
    **query: str,
) -> AsyncIterator[MemberClient]:
    """
    Be in *room* at the gateway at *url*, as *user*, for as long as the block lasts. With *is_plain* nothing
    tells that it is the same one again.
    """
    known = {} if is_plain or user is None else {"member": user.encode().hex().zfill(16)}
    asked = {**({"userId": user} if user else {}), **known, **query}
    async with session.ws_connect(f"{url}/ws/{room}?{urlencode(asked)}", headers=headers) as socket:
        yield MemberClient(socket)


def transcript(log: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """What was said by whom, each reply joined, whoever came meanwhile; timestamps and places left out."""
    said: list[tuple[str, str, str]] = []
    for entry in log:
        kind, who = entry["type"], entry.get("userId") or entry.get("generation_id") or ""
        begun = [at for at, each in enumerate(said) if each[:2] == (kind, who)]
        if kind == "stream_chunk" and begun:
            said[begun[0]] = (kind, who, said[begun[0]][2] + entry["content"])
        elif kind == "stream_reset":
            said = [each for each in said if each[:2] != ("stream_chunk", who)]
        else:
            said.append((kind, who, entry.get("content", "")))
    return said
