"""
A model behind any server that speaks OpenAI's chat completions: vLLM, llama.cpp, a cloud's.

It keeps no time but its own connection's: whoever reads decides how long silence may last. One
network read wakes its reader once, with all the deltas that came with it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from shared.errors import UpstreamBroke, UpstreamError, UpstreamInvalid
from shared.models import Model
from worker.backends import Delta, Prompt
from worker.backends.completion import Completion
from worker.backends.connections import Connections, cut
from worker.backends.errors import refusal
from worker.backends.sse import SSEParser

#: After its finish_reason an upstream may still send usage and `[DONE]`; some then never close.
_LAST_WORDS_S = 2.0
#: Then the body's end is usually on its way, and having read it keeps the connection for the next request.
_EOF_S = 0.02
_REFUSAL_S = 5.0
_MAX_REFUSAL_BYTES = 64 * 1024
_MAX_WHOLE_ANSWER_BYTES = 16 * 1024 * 1024
#: Set by us alone, whatever a client's request carries.
_OURS = frozenset({"model", "messages", "stream", "stream_options"})
#: How vLLM, and llama.cpp of 2026, are told to go on from the last message; older llama.cpp does so unasked.
_CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}


class OpenAICompatible:
    """One model of one server, over a pool of connections of its own."""

    def __init__(self, model: Model, name: str = "") -> None:
        """*name* is ours for the model. Raises `ValueError` when its address or key cannot be used."""
        base = URL(model.base_url)
        if base.scheme not in {"http", "https"} or not base.host:
            raise ValueError(f"base_url {model.base_url!r} is not an http(s) address")
        self._model = model
        self._upstream_model = model.upstream_model or name
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # A compressing proxy gathers deltas before it lets them go.
            "Accept-Encoding": "identity",
        }
        if model.api_key_env:
            headers["Authorization"] = f"Bearer {_key(model.api_key_env)}"
        url = base.with_path(base.path.rstrip("/") + "/chat/completions").with_query(base.query)
        self._connections = Connections(url, headers)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        """As `Backend.stream` says."""
        response = await self._connections.ask(self._body(prompt))
        try:
            if response.status != 200:
                error = refusal(response.status, response.headers, await _read_refusal(response))
                error.upstream_status = response.status
                raise error
            if response.content_type == "application/json":
                yield await _whole(response.content)
                return
            if response.content_type != "text/event-stream":
                raise UpstreamInvalid(f"The model server sent {response.content_type} instead of an answer.")
            parser, completion = SSEParser(), Completion()
            reads = _Reads(response.content, completion)
            while read := await reads.next():
                deltas: list[Delta] = []
                try:
                    completion.take(parser.feed(read), deltas)
                except UpstreamError:
                    if deltas:
                        yield deltas
                    raise
                if deltas:
                    yield deltas
            yield [completion.finished()]
        finally:
            cut(response)

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()

    def _body(self, prompt: Prompt) -> bytes:
        model = self._model
        messages: list[Mapping[str, Any]] = list(prompt.messages)
        body: dict[str, Any] = {"stream_options": {"include_usage": True}}
        if prompt.prefix:
            messages.append({"role": "assistant", "content": prompt.prefix})
            body |= _CONTINUE
        body |= model.parameters
        body |= {name: value for name, value in prompt.parameters.items() if name not in _OURS}
        max_tokens = prompt.max_tokens or model.max_tokens
        if max_tokens is not None:
            # Some models know the limit only by its newer name; then their parameters say so.
            body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"] = max_tokens
        if not body["stream_options"]:
            # `stream_options = {}` among a model's parameters is for servers that refuse the field.
            del body["stream_options"]
        body |= {"model": self._upstream_model, "messages": messages, "stream": True}
        return msgspec.json.encode(body)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(f"the environment variable {variable} must hold the model server's API key")
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"the environment variable {variable} does not hold an API key")
    return key


class _Reads:
    """The network reads of one answer, up to its end."""

    def __init__(self, content: aiohttp.StreamReader, completion: Completion) -> None:
        self._content = content
        self._completion = completion
        self._ended_at: float | None = None

    async def next(self) -> bytes:
        """What the network brings next; nothing at a whole answer's end. Raises `UpstreamBroke` before it."""
        try:
            if self._completion.ended:
                return await self._last_words()
            if read := await self._content.readany():
                return read
            raise UpstreamBroke()
        except (aiohttp.ClientError, OSError) as error:
            if self._completion.ended:
                return b""
            raise UpstreamBroke() from error

    async def _last_words(self) -> bytes:
        if self._ended_at is None:
            self._ended_at = asyncio.get_running_loop().time()
        # From the end, not from the last read: comments may come for ever.
        wait_s = _EOF_S if self._completion.complete else _LAST_WORDS_S
        async with asyncio.timeout_at(self._ended_at + wait_s):
            return await self._content.readany()


async def _whole(content: aiohttp.StreamReader) -> Sequence[Delta]:
    """The answer of a server that does not stream."""
    try:
        body = await _read(content, _MAX_WHOLE_ANSWER_BYTES)
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamBroke() from error
    if len(body) > _MAX_WHOLE_ANSWER_BYTES:
        raise UpstreamInvalid()
    deltas: list[Delta] = []
    completion = Completion()
    completion.take([body], deltas)
    if not completion.ended:
        raise UpstreamInvalid()
    return [*deltas, completion.finished()]


async def _read_refusal(response: aiohttp.ClientResponse) -> bytes:
    """As much of a refusal's body as comes soon: its status has said the main thing."""
    try:
        async with asyncio.timeout(_REFUSAL_S):
            return await _read(response.content, _MAX_REFUSAL_BYTES)
    except (aiohttp.ClientError, OSError):
        return b""


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read to the end, or until just beyond *most* bytes."""
    body = bytearray()
    while len(body) <= most and (read := await content.readany()):
        body += read
    return bytes(body)
