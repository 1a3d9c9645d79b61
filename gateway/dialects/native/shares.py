"""A conversation by a read-only link: made, listed and revoked by its owner, read by whoever has the link."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.native.frames import NATIVE
from gateway.edge import kept, sse
from gateway.edge.access import room_for_stream
from gateway.edge.answers import answer_json, has_it
from gateway.edge.body import read_body
from gateway.edge.state import ASKER, STATE
from gateway.edge.streams import checked_resumption, resume_value
from gateway.relay.dialect import Resumption
from gateway.relay.feed import Subscriber
from gateway.relay.relay import ahead
from shared.conversations import Whole
from shared.errors import AccessEnded, BrokerRefused, BrokerUnavailable, NotFound
from shared.headline import Conversation
from shared.position import ORIGIN
from shared.shares import LONGEST_S, Share, Shared

#: The header that has a link's secret: what stands after `#` in it, which no browser sends by itself.
HEADER = "X-Headrace-Share"
_WEEK_S = 7 * 24 * 3600
_MOST_ID_CHARS = 64
#: How soon an open stream notices that its link has ended.
_LOOK_S = 2.0


class ShareRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /api/conversations/{conversation_id}/share`"""

    #: How long the link lives.
    expires_s: Annotated[int, Meta(ge=1, le=LONGEST_S)] = _WEEK_S


class NewShare(msgspec.Struct, frozen=True):
    """A link, with its secret, which nobody is told again: `/s/{id}#{secret}` on the page."""

    id: str
    secret: str
    path: str
    created_ms: int
    expires_ms: int


class ShareList(msgspec.Struct, frozen=True):
    """`GET /api/conversations/{conversation_id}/share`"""

    shares: list[Share]


async def make(request: web.Request) -> web.StreamResponse:
    """A read-only link to a conversation, live while a reply is written."""
    asked = await read_body(request, ShareRequest)
    conversation = await _own(request)
    share, secret = await request.app[STATE].shares.make(
        request[ASKER].owner, conversation.id, conversation.created_ms, asked.expires_s
    )
    path = f"/s/{share.id}#{secret}"
    return answer_json(NewShare(share.id, secret, path, share.created_ms, share.expires_ms), status=201)


async def listed(request: web.Request) -> web.StreamResponse:
    """A conversation's links, without their secrets."""
    conversation = await _own(request)
    return answer_json(ShareList(await request.app[STATE].shares.of(request[ASKER].owner, conversation.id)))


async def revoke(request: web.Request) -> web.StreamResponse:
    """End a link, also for those who read by it just now."""
    conversation_id, share_id = request.match_info["conversation_id"], request.match_info["share_id"]
    if not await request.app[STATE].shares.revoke(request[ASKER].owner, conversation_id, share_id):
        raise NotFound("The conversation has no such link.", field="share_id")
    return web.Response(status=204)


async def read(request: web.Request) -> web.StreamResponse:
    """The conversation that a link leads to; 304 where `If-None-Match` has its present ETag."""
    shared, whole = await _whole(request)
    tag = whole.version.tag
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
    if has_it(request, tag):
        return web.Response(status=304, headers=headers)
    headline = whole.version.headline
    # By another name, and without how it is answered: that is its owner's.
    told = Conversation(
        shared.share.id, headline.title, headline.created_ms, headline.updated_ms, headline.active
    )
    return answer_json({"conversation": told, "messages": whole.messages}, headers=headers)


async def blob(request: web.Request) -> web.StreamResponse:
    """A picture or a file of what is shown there, and no other of its owner's."""
    shared, whole = await _whole(request)
    return await kept.answer_shown(request, shared.owner, whole)


async def stream(request: web.Request) -> web.StreamResponse:
    """The stream of a reply that is shown there, after `Last-Event-ID` or `?after=`; 204 at its end."""
    state = request.app[STATE]
    room_for_stream(state)
    shared, whole = await _whole(request)
    generation_id = request.match_info["generation_id"]
    said = f'"generation_id":"{generation_id}"'.encode()
    is_shown = generation_id == whole.version.headline.active or kept.says(whole, said)
    generation = await state.generations.load(generation_id) if is_shown else None
    its = (shared.owner, shared.conversation)
    if generation is None or (generation.owner, generation.conversation) != its:
        raise NotFound("There is no generation of that id.", field="generation_id")
    field, value = resume_value(request)
    after, encoder = checked_resumption(field, value, NATIVE) if value else Resumption(ORIGIN)
    if generation.ended:
        top = await state.log.top(generation.id)
        if top is not None and after > top:
            raise ahead(after, top)
        if top is None or after == top:
            return web.Response(status=204)
    headers = {"X-Generation-Id": generation.id, "X-Robots-Tag": "noindex"}
    async with (
        state.relay.subscribe(generation, NATIVE, after, encoder=encoder) as subscriber,
        _as_long_as_shared(request, subscriber),
    ):
        retry_ms = state.settings.retry_ms
        return await sse.stream(request, subscriber, headers, model=generation.model, retry_ms=retry_ms)


@asynccontextmanager
async def _as_long_as_shared(request: web.Request, subscriber: Subscriber) -> AsyncIterator[None]:
    """Whoever reads is sent away once the link has ended, and gets no answer when coming back."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await _whole(request)
            except NotFound:
                subscriber.dismiss(AccessEnded("This link leads nowhere any more."))
                return
            except (BrokerUnavailable, BrokerRefused):
                continue  # nothing is known of the link: looked again

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _whole(request: web.Request) -> tuple[Shared, Whole]:
    """What the link leads to. Raises `NotFound`: revoked, expired, deleted, or never there, all the same."""
    state = request.app[STATE]
    secret, share_id = request.headers.get(HEADER, ""), request.match_info["share_id"]
    if len(share_id) <= _MOST_ID_CHARS and secret:
        shared = await state.shares.find(share_id, secret)
        if shared is not None:
            whole = await state.conversations.read(shared.owner, shared.conversation)
            if whole is not None and whole.version.headline.created_ms == shared.begun_ms:
                return shared, whole
    raise NotFound("This link leads nowhere (any more).", field="share_id")


async def _own(request: web.Request) -> Conversation:
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    conversation = await conversations.load(owner, request.match_info["conversation_id"])
    if conversation is None:
        raise NotFound("There is no conversation of that id.", field="conversation_id")
    return conversation
