"""Anthropic's Messages: make one, streamed or whole, resume its stream, count a conversation's tokens."""

import msgspec
from aiohttp import web

from gateway.dialects.anthropic.errors import request_header
from gateway.dialects.anthropic.frames import MESSAGES
from gateway.dialects.anthropic.message import ID_PREFIX, whole
from gateway.dialects.anthropic.request import (
    CountRequest,
    MessagesRequest,
    asked_of,
    read,
    submission_of,
)
from gateway.edge import streams
from gateway.edge.answers import answer_json
from gateway.edge.state import REQUEST_ID
from shared.generation import Generation
from shared.messages import prompt_tokens


class TokenCount(msgspec.Struct, frozen=True):
    """`POST /v1/messages/count_tokens`: our own rough count, as no model server is asked."""

    input_tokens: int
    estimated: bool = True


async def create(request: web.Request) -> web.StreamResponse:
    """Answer a conversation; with `stream`, as it is written."""
    body: MessagesRequest = await read(request, MessagesRequest)
    wanted = submission_of(request, body)

    def headers(generation: Generation) -> dict[str, str]:
        return _headers(request, generation)

    if body.stream:
        return await streams.stream_new(request, wanted, MESSAGES, headers)
    generation, new = await streams.await_new(request, wanted)
    replayed = {} if new else {"Idempotent-Replayed": "true"}
    return answer_json(whole(generation), headers={**headers(generation), **replayed})


async def resume(request: web.Request) -> web.StreamResponse:
    """Not Anthropic's: resume a stream after `Last-Event-ID` or `?after=`; a message's id will do."""
    named = request.match_info["message_id"]
    generation_id = f"gen_{named.removeprefix(ID_PREFIX)}" if named.startswith(ID_PREFIX) else named
    return await streams.resume(
        request, generation_id, lambda _: MESSAGES, lambda found: _headers(request, found)
    )


async def count(request: web.Request) -> web.StreamResponse:
    """How many tokens a conversation has, by our own rough count."""
    _, messages, said = asked_of(request, await read(request, CountRequest))
    counted = TokenCount(prompt_tokens(messages, said.get("tools")))
    return answer_json(counted, headers=request_header(request[REQUEST_ID]))


def _headers(request: web.Request, generation: Generation) -> dict[str, str]:
    location = f"/v1/messages/{ID_PREFIX}{generation.id.removeprefix('gen_')}/stream"
    ours = {"X-Generation-Id": generation.id, "Location": location}
    return {**ours, **request_header(request[REQUEST_ID])}
