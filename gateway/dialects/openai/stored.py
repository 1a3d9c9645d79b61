"""Responses that are kept: how one stands, what was said up to its end, and its items that input names."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from gateway.dialects.openai import response_items
from gateway.dialects.openai.response_frames import RESPONSES, ResponsesEncoder
from gateway.dialects.openai.response_object import ResponseObject
from gateway.edge.access import owned
from gateway.edge.state import STATE
from gateway.relay.relay import AHEAD_POLL_S, AHEAD_WAIT_S
from shared import events
from shared.errors import InvalidRequest, NotFound, PreviousResponseNotFound
from shared.events import End, Error, Event, Picture, Reasoning, Text, ToolCall, Usage
from shared.generation import Generation
from shared.position import ORIGIN

_Object = dict[str, Any]

#: Of a connection: the responses that it may go on from although they are not stored.
KEPT: web.RequestKey[set[str]] = web.RequestKey("kept", set)

#: An item's id ends with that of the response it belongs to, and its place in it.
_ITEM_ID = re.compile(r"[a-z]+_(\w+)_\d+", re.ASCII)


async def stored(request: web.Request, response_id: str, field: str) -> tuple[Generation, ResponseObject]:
    """A response that the asker may come back to. Raises `NotFound`."""
    kind, _, suffix = response_id.partition("_")
    try:
        if kind != "resp":
            raise NotFound
        generation = await owned(request.app[STATE], request, f"gen_{suffix}")
        if generation.dialect != RESPONSES.name:
            raise NotFound
        response = generation.options(ResponseObject)
        if not response.store and response_id not in request.get(KEPT, ()):
            raise NotFound
    except NotFound:
        raise NotFound(f"There is no response {response_id[:100]!r}.", field=field) from None
    return generation, response


async def turns(request: web.Request, response_id: str) -> list[_Object]:
    """What was said up to the end of a response. Its instructions are not carried over."""
    field = "previous_response_id"
    try:
        generation, response = await stored(request, response_id, field)
    except NotFound:
        message = f"Previous response with id {response_id[:100]!r} not found."
        raise PreviousResponseNotFound(message, field=field) from None
    if not generation.ended:
        raise InvalidRequest("The previous response has not ended yet.", field=field)
    asked = generation.asked.messages
    calls = [response_items.chat_call(call.id, call.name, call.arguments) for call in generation.calls]
    answer = response_items.assistant_message(generation.text or "", calls)
    for part in generation.pictures:
        picture = await _filled(request, generation, Picture(ts=0, part=part))
        if isinstance(picture, Picture) and picture.data:
            drawn = {"type": "image_url", "image_url": {"url": picture.address}}
            answer.append(response_items.shown_picture(drawn))
    return [*(asked if response.instructions is None else asked[1:]), *answer]


async def resolved(request: web.Request, given: Sequence[_Object]) -> list[_Object]:
    """*given* with the items themselves where it names some of stored responses. Raises `NotFound`."""
    known: dict[str, list[_Object]] = {}
    items = []
    for i, item in enumerate(given):
        if response_items.kind_of(item) == "item_reference":
            if not isinstance(item.get("id"), str):
                raise InvalidRequest("An item_reference needs the `id` of its item.", field=f"input[{i}].id")
            item = await _named(request, item["id"], f"input[{i}].id", known)
        items.append(item)
    return items


async def _named(request: web.Request, item_id: str, field: str, known: dict[str, list[_Object]]) -> _Object:
    named = _ITEM_ID.fullmatch(item_id)
    if named is not None and (suffix := named[1]) not in known:
        known[suffix] = await _items(request, suffix, field)
    for item in known[suffix] if named is not None else ():
        if item["id"] == item_id:
            return item
    raise _no_item(item_id, field)


async def _items(request: web.Request, suffix: str, field: str) -> list[_Object]:
    """All items of a response, its input and its output; none where it is not kept."""
    try:
        generation, _ = await stored(request, f"resp_{suffix}", field)
    except NotFound:
        return []
    if not generation.ended:
        raise InvalidRequest("The response of that item has not ended yet.", field=field)
    return [*generation.asked.input, *(await as_it_stands(request, generation)).output]


def _no_item(item_id: str, field: str) -> NotFound:
    return NotFound(
        f"Item with id {item_id[:100]!r} not found. Items of responses with `store` false are not kept.",
        field=field,
    )


async def as_it_stands(
    request: web.Request, generation: Generation, also: Sequence[str] = ()
) -> ResponseObject:
    """A response by its log; by its record once the log has expired. *also* is of `include`."""
    if generation.state == "queued":
        return ResponsesEncoder(generation, also=also).response
    encoder = await _read(request, generation, also)
    if encoder.number < 0:
        for event in _told_by(generation):
            encoder.encode(ORIGIN, await _filled(request, generation, event))
    return encoder.so_far()


async def check_number(request: web.Request, generation: Generation, number: int) -> None:
    """
    Raises `InvalidRequest` for an event's number that a response has not reached: its reader has it from
    elsewhere, and would miss what there is. As with positions, one that is only just ahead is given time.
    """
    wait_until = time.monotonic() + AHEAD_WAIT_S
    while (reached := (await _read(request, generation)).number) < number:
        if generation.ended or time.monotonic() > wait_until:
            raise InvalidRequest(
                f"There is no event {number} yet; the last is {reached}.", field="starting_after"
            )
        await asyncio.sleep(AHEAD_POLL_S)


async def _read(request: web.Request, generation: Generation, also: Sequence[str] = ()) -> ResponsesEncoder:
    """What has read all of a response's log."""
    encoder = ResponsesEncoder(generation, also=also)
    async for page in request.app[STATE].log.pages(generation.id):
        for entry in page:
            if (event := events.decode(entry.event)) is not None:
                encoder.encode(entry.position, await _filled(request, generation, event))
    return encoder


async def _filled(request: web.Request, generation: Generation, event: Event) -> Event:
    if not isinstance(event, Picture) or event.part.lost is not None:
        return event
    return await request.app[STATE].relay.filled(generation, event)


def _told_by(generation: Generation) -> Iterator[Event]:
    """Events that tell what a record does."""
    ts = generation.ended_ms or generation.created_ms
    if generation.reasoning:
        yield Reasoning(ts, generation.reasoning)
    if generation.text:
        yield Text(ts, generation.text)
    for part in generation.pictures:
        yield Picture(ts=ts, part=part)
    for i, call in enumerate(generation.calls):
        yield ToolCall(ts, i, call.id, call.name, call.arguments)
    usage = generation.spent or Usage()
    if generation.failed is not None:
        yield Error(ts=ts, code=generation.failed.code, message=generation.failed.message, usage=usage)
    elif generation.ended:
        yield End(ts=ts, finish_reason=generation.finish_reason or "stop", usage=usage)
