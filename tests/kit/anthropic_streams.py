"""Anthropic's streams: what their clients make of one, and the frames themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import ClientResponse, ClientSession

if TYPE_CHECKING:
    # Each process of the tests collects this, and few ask for the client, whose import takes a second.
    from anthropic import AsyncAnthropic

MESSAGES = "/v1/messages"


def asked(message: Any = "Hello", **fields: Any) -> dict[str, Any]:
    """A user's only message, as its clients send it."""
    said = [{"role": "user", "content": message}]
    return {"model": "scripted", "max_tokens": 1000, "messages": said, **fields}


async def whole(anthropic: AsyncAnthropic, message: Any = "Hello", **fields: Any) -> Any:
    """A message that is waited for."""
    return await anthropic.messages.create(**asked(message, **fields))


def blocks_of(raw: bytes) -> list[bytes]:
    """An answer's frames, without what fills silence."""
    blocks = [
        block[block.find(b"id: ") if b"id: " in block else 0 :] for block in raw.split(b"\n\n") if block
    ]
    return [block for block in blocks if not block.lstrip(b": hb").startswith(b"event: ping")]


def id_of(block: bytes) -> str | None:
    """Its position; not every frame has one."""
    first = block.split(b"\n")[0]
    return first[4:].decode() if first.startswith(b"id: ") else None


def data_of(block: bytes) -> Any:
    """What a frame says."""
    return json.loads(block.partition(b"data: ")[2])


def text_of(blocks: list[bytes]) -> str:
    """The text that frames give."""
    return "".join(data_of(block).get("delta", {}).get("text", "") for block in blocks)


async def rest(
    session: ClientSession, url: str, message_id: str, after: str | None
) -> tuple[int, list[bytes]]:
    """What follows in a message's stream after a position, with its status."""
    headers = {} if after is None else {"Last-Event-ID": after}
    async with session.get(f"{url}{MESSAGES}/{message_id}/stream", headers=headers) as response:
        return response.status, blocks_of(await response.read())


def message_id_of(response: ClientResponse) -> str:
    """The id of the message that is being streamed."""
    return response.headers["Location"].split("/")[-2]
