"""OpenAI's Responses: make one, come back to it, read on in its stream, stop it, forget it."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import msgspec
from aiohttp import web

from gateway.dialects.openai.paging import page_of
from gateway.dialects.openai.response_frames import RESPONSES, ResponsesEncoder
from gateway.dialects.openai.response_request import ResponseRequest, submission_of
from gateway.dialects.openai.stored import as_it_stands, check_number, stored
from gateway.edge import streams
from gateway.edge.access import owned, room_for_stream
from gateway.edge.answers import answer_json
from gateway.edge.cancellation import stop
from gateway.edge.extras import read_with_extras
from gateway.edge.limits import accept, bounded
from gateway.edge.state import ASKER, STATE
from shared.errors import InvalidRequest, Unavailable
from shared.generation import Generation
from shared.messages import prompt_tokens
from shared.position import ORIGIN


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """`DELETE /v1/responses/{response_id}`"""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class InputTokens(msgspec.Struct, frozen=True):
    """`POST /v1/responses/input_tokens`"""

    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"
    estimated: bool = True


async def create(request: web.Request) -> web.StreamResponse:
    """Make a response: streamed, in the background, or to be waited for."""
    state = request.app[STATE]
    body = await read_with_extras(request, ResponseRequest)
    wanted = await submission_of(request, body)
    if body.stream:
        return await streams.stream_new(request, wanted, RESPONSES, _headers)
    if body.background:
        known_id, new = await accept(request, bounded(request[ASKER], wanted))
        generation = wanted.generation() if new else await owned(state, request, known_id)
    else:
        generation, new = await streams.await_new(request, wanted)
        if generation.error is not None:
            raise generation.error
    replayed = {} if new else {"Idempotent-Replayed": "true"}
    response = await as_it_stands(request, generation)
    return answer_json(response, headers={**_headers(generation), **replayed})


async def retrieve(request: web.Request) -> web.StreamResponse:
    """How a response stands; with `stream`, its events after `starting_after`."""
    state = request.app[STATE]
    streaming, number = _stream_query(request.query)
    generation, response = await stored(request, request.match_info["response_id"], "response_id")
    also = [*request.query.getall("include", []), *request.query.getall("include[]", [])]
    if not streaming:
        return answer_json(await as_it_stands(request, generation, also))
    if also:
        raise InvalidRequest(
            "`include` needs a whole response, or to be asked for with the request.", field="include"
        )
    room_for_stream(state)
    if generation.ended and await state.log.top(generation.id) is None:
        raise streams.expired(f"/v1/responses/{response.id}")
    encoder = None
    if number is not None:
        await check_number(request, generation, number)
        encoder = partial(ResponsesEncoder, after=number)
    return await streams.stream_known(
        request, generation, RESPONSES, ORIGIN, _headers(generation), encoder=encoder
    )


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop a response, and tell how it stands; one that has ended stays as it is."""
    response_id = request.match_info["response_id"]
    generation, _ = await stored(request, response_id, "response_id")
    receipt = await stop(request.app[STATE], generation)
    generation, _ = await stored(request, response_id, "response_id")
    status = 202 if receipt.status == "cancelling" else 200
    return answer_json(await as_it_stands(request, generation), status=status)


async def delete(request: web.Request) -> web.StreamResponse:
    """Forget a response; one that is under way is stopped first."""
    state = request.app[STATE]
    generation, response = await stored(request, request.match_info["response_id"], "response_id")
    receipt = await stop(state, generation)
    if receipt.status == "cancelling":
        raise Unavailable("The response is still being stopped.", retry_after_s=1)
    await state.ledger.settle(request[ASKER].tenant, generation.id)
    await state.generations.forget(generation.id)
    return answer_json(Deleted(id=response.id))


async def input_items(request: web.Request) -> web.StreamResponse:
    """What a response was made from, its own input only; the last first, unless `order=asc`."""
    generation, _ = await stored(request, request.match_info["response_id"], "response_id")
    return answer_json(page_of(request.query, generation.asked.input))


async def input_tokens(request: web.Request) -> web.StreamResponse:
    """How many tokens a request has, by our own rough count: no model server is asked."""
    wanted = await submission_of(request, await read_with_extras(request, ResponseRequest))
    asked = wanted.request
    return answer_json(InputTokens(prompt_tokens(asked.messages, asked.parameters.get("tools"))))


def _stream_query(query: Mapping[str, str]) -> tuple[bool, int | None]:
    """Whether events are wanted, and after which number."""
    if query.get("include_obfuscation", "false") != "false":
        raise InvalidRequest(
            "`include_obfuscation` is not supported by this server.", field="include_obfuscation"
        )
    streaming = query.get("stream", "false")
    if streaming not in {"true", "false"}:
        raise InvalidRequest("`stream` must be true or false.", field="stream")
    after = query.get("starting_after")
    if after is None:
        return streaming == "true", None
    if streaming != "true":
        raise InvalidRequest("`starting_after` needs `stream=true`.", field="starting_after")
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise InvalidRequest("`starting_after` must be an event's number.", field="starting_after")
    return True, int(after)


def _headers(generation: Generation) -> dict[str, str]:
    suffix = generation.id.removeprefix("gen_")
    return {"X-Generation-Id": generation.id, "Location": f"/v1/responses/resp_{suffix}"}
