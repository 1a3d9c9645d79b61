"""
`POST /v1/responses/compact`: a conversation made shorter, to go on from.

What its user said stays as it is; all the rest is what a model sums it up as, in one item that only this
service reads.
"""

import time
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.openai import response_items
from gateway.dialects.openai.models import checked_model
from gateway.dialects.openai.response_frames import RESPONSES
from gateway.dialects.openai.response_object import ResponseObject, usage_of
from gateway.dialects.openai.sealed import seal
from gateway.dialects.openai.stored import resolved, stored, turns
from gateway.edge import streams
from gateway.edge.answers import answer_json
from gateway.edge.body import read_body
from gateway.edge.state import STATE
from gateway.edge.submission import new_suffix, submission
from shared.errors import InvalidRequest
from shared.events import Usage
from shared.failures import UpstreamInvalid
from shared.generation import Request
from shared.messages import joined

_Object = dict[str, Any]

_INSTRUCTIONS = (
    "Sum up this conversation for whoever goes on with it: what is asked for, what was found and decided, "
    "what tools gave, and what is still to be done. Keep names, numbers and paths as they are. "
    "Write the summary alone."
)


class CompactRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/responses/compact`"""

    input: str | list[_Object] | None = None
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    #: Hints, which change nothing here.
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: _Object | None = None
    service_tier: str | None = None


class CompactedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation's items: those of its user, then the summary."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[_Object]
    usage: _Object


async def compact(request: web.Request) -> web.StreamResponse:
    """Sum up a conversation, and give the items to go on from."""
    body = await read_body(request, CompactRequest)
    given: str | list[_Object] = body.input if body.input is not None else []
    if not isinstance(given, str):
        given = await resolved(request, given)
    said = response_items.chat_messages(given)
    suffix = new_suffix(request)
    items = response_items.items_of(given, suffix)
    if body.previous_response_id is not None:
        said = [*await turns(request, body.previous_response_id), *said]
        items = [*await _items_before(request, body.previous_response_id), *items]
    if not said:
        raise InvalidRequest("`input` is missing.", field="input")
    head = [{"role": "system", "content": body.instructions}] if body.instructions is not None else []
    model = checked_model(request.app[STATE], body.model)
    options = ResponseObject(id=f"resp_{suffix}", created_at=int(time.time()), model=model, store=False)
    wanted = submission(
        request,
        body,
        RESPONSES,
        model=model,
        asked=Request(
            messages=joined([*head, *said, {"role": "user", "content": _INSTRUCTIONS}]),
            max_tokens=body.max_output_tokens,
            input=[item for item in items if _is_users(item)],
        ),
        suffix=suffix,
        messages_in="input",
        options=options,
        on_disconnect="cancel",
    )
    generation, _ = await streams.await_new(request, wanted)
    if generation.error is not None:
        raise generation.error
    if generation.finish_reason not in {"stop", "unknown"} or not (generation.text or "").strip():
        # Half a summary would lose the other half without a word.
        raise UpstreamInvalid(f"The model gave no whole summary: it ended with {generation.finish_reason!r}.")
    response, own = generation.options(ResponseObject), generation.id.removeprefix("gen_")
    sealed = seal(generation.text or "")
    summary = {"type": "compaction", "id": f"cmp_{own}", "encrypted_content": sealed}
    answer = CompactedResponse(
        id=response.id,
        created_at=response.created_at,
        output=[*generation.asked.input, summary],
        usage=usage_of(generation.spent or Usage()),
    )
    return answer_json(answer, headers={"X-Generation-Id": generation.id})


async def _items_before(request: web.Request, response_id: str) -> list[_Object]:
    """What its user said up to a response, so far as the responses before it are kept."""
    items: list[_Object] = []
    at: str | None = response_id
    while at is not None:
        generation, response = await stored(request, at, "previous_response_id")
        items = [*generation.asked.input, *items]
        at = response.previous_response_id
    return items


def _is_users(item: _Object) -> bool:
    return item.get("type") == "message" and item.get("role") in {"user", "system", "developer"}
