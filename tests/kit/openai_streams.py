"""OpenAI's streams: what their clients make of one, and the frames themselves."""

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"


def said(content: Any = "Hello") -> list[Any]:
    """A user's only message."""
    return [{"role": "user", "content": content}]


async def chunks_of(openai: AsyncOpenAI, message: Any = "Hello", **options: Any) -> list[ChatCompletionChunk]:
    """A whole stream of chat completions."""
    options = {"model": "scripted"} | options
    stream: Any = await openai.chat.completions.create(messages=said(message), stream=True, **options)
    return [chunk async for chunk in stream]


def text_of(chunks: Iterable[ChatCompletionChunk]) -> str:
    """The answer that *chunks* give."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def events_of(openai: AsyncOpenAI, message: str = "Hello", **options: Any) -> list[Any]:
    """A whole stream of a response."""
    options = {"model": "scripted"} | options
    stream: Any = await openai.responses.create(input=message, stream=True, **options)
    return [event async for event in stream]


def blocks_of(raw: bytes) -> list[bytes]:
    """Everything between blank lines."""
    return [block for block in raw.split(b"\n\n") if block]


def id_of(block: bytes) -> str | None:
    """A chat completion's position; not every block has one."""
    first = block.split(b"\n")[0]
    return first[4:].decode() if first.startswith(b"id: ") else None


def frames_of(raw: bytes) -> list[bytes]:
    """A response's frames, without what fills silence; they have no ids."""
    assert b"\nid:" not in raw
    return [block for block in blocks_of(raw) if b"data: " in block]


def data_of(frame: bytes) -> Any:
    """What a response's frame says; `event:` must be its type."""
    head, _, data = frame.partition(b"\ndata: ")
    content = json.loads(data)
    assert head == b"event: " + content["type"].encode()
    return content


async def raw_response(
    session: ClientSession, url: str, message: str = "Hello", **fields: Any
) -> tuple[str, list[bytes]]:
    """A background response's id and all frames of its stream."""
    body = {"input": message, "stream": True, "background": True, **fields}
    async with session.post(url + RESPONSES, json=body) as response:
        assert response.status == 200
        return response.headers["Location"].rpartition("/")[2], frames_of(await response.read())


async def tail(session: ClientSession, url: str, response_id: str, after: int | None = None) -> list[bytes]:
    """A response's frames after a number."""
    following = "" if after is None else f"&starting_after={after}"
    async with session.get(f"{url}{RESPONSES}/{response_id}?stream=true{following}") as response:
        assert response.status == 200
        return frames_of(await response.read())
