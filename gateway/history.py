"""Conversations as their owner sees them, and the stream of the one that is being answered."""

from typing import Any

import msgspec
from aiohttp import web

from gateway import admission
from gateway.answering import answer_json, owned, room_for_stream, stream_headers, stream_known
from gateway.dialects import native
from gateway.state import OWNER, STATE
from shared.conversations import Conversation, Message
from shared.errors import InvalidRequest, NotFound

_MOST = 200


class ConversationList(msgspec.Struct, frozen=True):
    """`GET /api/conversations`, the last used first."""

    conversations: list[Conversation]


class ConversationDetail(msgspec.Struct, frozen=True):
    """`GET /api/conversations/{conversation_id}`, messages oldest first."""

    conversation: Conversation
    messages: list[Message]


async def recent(request: web.Request) -> web.StreamResponse:
    """The asker's conversations; `?limit=` of 1 to 200."""
    raw = request.query.get("limit", "100")
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= _MOST:
        raise InvalidRequest(f"`limit` must be a number from 1 to {_MOST}.", field="limit")
    found = await request.app[STATE].conversations.recent(request[OWNER], int(raw))
    return answer_json(ConversationList(found))


async def detail(request: web.Request) -> web.StreamResponse:
    """One conversation with its messages."""
    conversation = await _owned(request)
    messages = await request.app[STATE].conversations.messages(request[OWNER], conversation.id)
    return answer_json(ConversationDetail(conversation, messages))


async def follow(request: web.Request) -> web.StreamResponse:
    """Attach to the generation that answers right now; 204 if none does."""
    after = admission.resume_position(request)
    conversation = await _owned(request)
    if conversation.active is None:
        return web.Response(status=204)
    room_for_stream(request.app[STATE])
    try:
        generation = await owned(request.app[STATE], request, conversation.active)
    except NotFound:
        return web.Response(status=204)
    return await stream_known(request, generation, native, after, stream_headers(generation))


async def _owned(request: web.Request) -> Conversation:
    state: Any = request.app[STATE]
    conversation_id = request.match_info["conversation_id"]
    conversation: Conversation | None = await state.conversations.load(request[OWNER], conversation_id)
    if conversation is None:
        raise NotFound("There is no conversation of that id.", field="conversation_id")
    return conversation
