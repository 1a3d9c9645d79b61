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

from shared.errors import UpstreamBroke, UpstreamError, UpstreamInvalid, UpstreamRefused
from shared.models import Model
from worker.backends import Delta, Prompt
from worker.backends.completion import Completion
from worker.backends.refusal import refusal
from worker.backends.sse import SSEParser

_CONNECT_TIMEOUT_S = 10.0
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
        self._url = base.with_path(base.path.rstrip("/") + "/chat/completions")
        self._model = model
        self._upstream_model = model.upstream_model or name
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # A compressing proxy gathers deltas before it lets them go.
            "Accept-Encoding": "identity",
        }
        if model.api_key_env:
            self._headers["Authorization"] = f"Bearer {_key(model.api_key_env)}"
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        """As `Backend.stream` says."""
        response = await self._ask(prompt)
        try:
            if response.status != 200:
                raise refusal(response.status, response.headers, await _read_refusal(response))
            if response.content_type == "application/json":
                yield await _whole(response.content)
                return
            if response.content_type != "text/event-stream":
                raise UpstreamInvalid(f"The model server sent {response.content_type} instead of an answer.")
            parser, completion = SSEParser(), Completion()
            while read := await _next(response.content, completion):
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
            _cut(response)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, prompt: Prompt) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            return await self._session.post(
                self._url, data=self._body(prompt), headers=self._headers, allow_redirects=False
            )
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamRefused() from error
        except aiohttp.ClientResponseError as error:
            raise UpstreamInvalid() from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamBroke() from error

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


async def _next(content: aiohttp.StreamReader, completion: Completion) -> bytes:
    """What the network brings next; nothing at a whole answer's end. Raises `UpstreamBroke` before it."""
    try:
        if not completion.ended:
            if read := await content.readany():
                return read
            raise UpstreamBroke()
        async with asyncio.timeout(_EOF_S if completion.complete else _LAST_WORDS_S):
            return await content.readany()
    except (aiohttp.ClientError, OSError) as error:
        if completion.ended:
            return b""
        raise UpstreamBroke() from error


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


def _cut(response: aiohttp.ClientResponse) -> None:
    """
    End the upstream's work now, unless the answer was read to its end.

    Closing alone would, over TLS, first wait for the peer's goodbye.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()
