"""
A model behind any server that speaks OpenAI's chat completions: vLLM, llama.cpp, a cloud's.

It keeps no time but its own connection's: whoever reads decides how long silence may last. What an answer
begins and ends with is read with care, and wakes its reader once a network read; the deltas between are taken
where they arrive.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
import structlog
from yarl import URL

from shared.failures import (
    InsufficientQuota,
    UpstreamBroke,
    UpstreamError,
    UpstreamInvalid,
    UpstreamUnauthorized,
)
from shared.models import Model
from worker.backends import Delta, Prompt, Take
from worker.backends.completion import Completion
from worker.backends.connections import Connections, cut
from worker.backends.errors import not_an_answer, refusal
from worker.backends.listing import models_of
from worker.backends.reading import Reads, kind_of, read_up_to
from worker.backends.redaction import for_log
from worker.backends.sse import SSEParser
from worker.backends.think_tags import ThinkTags
from worker.backends.tolerant import NotJson, load

logger = structlog.get_logger("worker.backends.openai_compatible")

_REFUSAL_S = 5.0
_MAX_REFUSAL_BYTES = 64 * 1024
_MAX_LISTING_BYTES = 4 * 1024 * 1024
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
        if model.parameters.get("n", 1) != 1:
            raise ValueError(f"model {name!r} cannot have {model.parameters['n']!r} choices: leave out `n`")
        self._model = model
        self._name = name
        self._upstream_model = model.upstream_model or name
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # A compressing proxy gathers deltas before it lets them go.
            "Accept-Encoding": "identity",
        }
        if model.api_key_env:
            headers["Authorization"] = f"Bearer {_key(model.api_key_env)}"
        self._connections = Connections(base, headers)

    async def stream(self, prompt: Prompt, take: Take | None = None) -> AsyncGenerator[Sequence[Delta], None]:
        """As `Backend.stream` says."""
        response = await self._connections.ask(self._body(prompt))
        try:
            if not 200 <= response.status < 300:
                raise await _refusal(response)
            async for deltas in self._answer(response, bool(prompt.prefix), take):
                yield deltas
        except (UpstreamUnauthorized, InsufficientQuota) as error:
            self._tell_operator(error)
            raise
        finally:
            cut(response)

    async def _answer(
        self, response: aiohttp.ClientResponse, continued: bool, take: Take | None
    ) -> AsyncGenerator[Sequence[Delta], None]:
        completion = Completion(continued=continued, tags=None if continued else self._tags())
        # Whoever keeps the time must not find an answer silent that is whole.
        reads = Reads(response.content, completion, self._model.between_tokens_timeout_s / 2)
        read, kind = b"", None
        while kind is None and (more := await reads.next()):
            read += more
            kind = kind_of(read)
            if kind is None:
                yield []
        if kind == "words":
            read += await reads.up_to(_MAX_REFUSAL_BYTES)
            raise UpstreamInvalid(not_an_answer(read))
        parser = SSEParser()
        deltas: list[Delta] = []

        def take_read(read: bytes) -> bool:
            """The fast way: whether all that *read* brought is taken, and the answer still goes on."""
            nonlocal deltas
            completion.take(parser.feed(read), deltas)
            if completion.ended or completion.drew or take is None or not take(deltas):
                return False
            deltas = []
            return True

        try:
            if kind == "json":
                read += await reads.up_to(_MAX_WHOLE_ANSWER_BYTES)
                completion.take(_whole(read, parser), deltas)
                read = b""
            if read:
                completion.take(parser.feed(read), deltas)
            while read:
                yield deltas
                deltas = []
                if take is None or completion.ended:
                    # The careful way, also for last words, which are waited for a while only.
                    if read := await reads.next():
                        completion.take(parser.feed(read), deltas)
                elif not await reads.each(take_read):
                    break
            _take_rest(completion, parser, deltas)
            streamed = kind == "events" and not self._model.ends_unsaid
            finished = completion.finish(deltas, says_why=streamed)
        except UpstreamError:
            if deltas:
                yield deltas
            raise
        yield [*deltas, finished]

    def _tags(self) -> ThinkTags | None:
        tags = self._model.think_tags
        return ThinkTags(*tags) if isinstance(tags, tuple) else ThinkTags() if tags else None

    def _tell_operator(self, error: UpstreamError) -> None:
        do = f"set {self._model.api_key_env or 'api_key_env'} to a valid key, and restart the worker"
        if isinstance(error, InsufficientQuota):
            do = "raise the quota there"
        logger.error(
            "the model server does not serve us",
            model=self._name,
            upstream=for_log(self._model.base_url),
            code=error.code,
            said=error.said,
            do=do,
        )

    async def models(self) -> Sequence[str]:
        """As `Backend.models` says."""
        response = await self._connections.look("models")
        try:
            body = await _read_refusal(response, _MAX_LISTING_BYTES)
            if response.status != 200:
                raise refusal(response.status, response.headers, body)
            return models_of(body)
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
        body |= {"model": prompt.model or self._upstream_model, "messages": messages, "stream": True}
        return msgspec.json.encode(body)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(f"the environment variable {variable} must hold the model server's API key")
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"the environment variable {variable} does not hold an API key")
    return key


def _whole(body: bytes, parser: SSEParser) -> list[bytes]:
    """The payload of a server that does not stream, or those of one that writes a line each."""
    if len(body) > _MAX_WHOLE_ANSWER_BYTES:
        raise UpstreamInvalid("The model server sent an answer that is too large.")
    try:
        load(body)
    except NotJson:
        return parser.feed(body)
    return [body.removeprefix(b"\xef\xbb\xbf").strip()]


def _take_rest(completion: Completion, parser: SSEParser, deltas: list[Delta]) -> None:
    """What stands at the end of a body, without an end of its own."""
    try:
        completion.take(parser.rest(), deltas)
    except UpstreamInvalid as error:
        if not completion.ended:
            raise UpstreamBroke() from error


async def _refusal(response: aiohttp.ClientResponse) -> UpstreamError:
    error = refusal(response.status, response.headers, await _read_refusal(response))
    error.upstream_status = response.status
    return error


async def _read_refusal(response: aiohttp.ClientResponse, most: int = _MAX_REFUSAL_BYTES) -> bytes:
    """As much of a refusal's body as comes soon: its status has said the main thing."""
    try:
        async with asyncio.timeout(_REFUSAL_S):
            return await read_up_to(response.content, most)
    except (aiohttp.ClientError, OSError):
        return b""
