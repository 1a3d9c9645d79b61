"""
OpenAI's conversations: ours, as items. Each message of a conversation is one or several of them.

A turn's input is kept as its client sent it; a reply's items are made from what our record of it has.
"""

import uuid
from base64 import b64encode
from collections.abc import Container, Sequence
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.dialects.openai import response_items
from gateway.dialects.openai.paging import page_of
from gateway.dialects.openai.response_object import Output, ResponseObject
from gateway.edge.answers import answer_json
from gateway.edge.body import checked_id, read_body
from gateway.edge.state import ASKER, STATE, State
from gateway.edge.submission import new_conversation_id
from shared import messages
from shared.attachments import chat_content
from shared.errors import InvalidRequest, NotFound
from shared.events import ToolCall, now_ms
from shared.headline import title_of
from shared.messages import Message

_Object = dict[str, Any]
_Metadata = Annotated[dict[str, str], Meta(max_length=16)]

#: How many items one call may add.
_MOST_ADDED = 20
#: Who says what is kept, by who says it in chat; a tool's result is the user's.
_ROLES: dict[str, Literal["user", "assistant", "system"]] = {
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}


class NewConversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/conversations`"""

    items: Annotated[list[_Object], Meta(max_length=_MOST_ADDED)] | None = None
    metadata: _Metadata | None = None


class ChangedConversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/conversations/{conversation_id}`"""

    metadata: _Metadata


class NewItems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/conversations/{conversation_id}/items`"""

    items: Annotated[list[_Object], Meta(min_length=1, max_length=_MOST_ADDED)]


class ConversationObject(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class DeletedConversation(msgspec.Struct, frozen=True, kw_only=True):
    """`DELETE /v1/conversations/{conversation_id}`"""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True


async def create(request: web.Request) -> web.StreamResponse:
    """Begin a conversation, with items that are said already if there are any."""
    body = await read_body(request, NewConversation)
    conversation_id = new_conversation_id(request)
    said, title = _noted(body.items or [])
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    await conversations.note(owner, conversation_id, said, title=title, metadata=body.metadata or {})
    return answer_json(await _shown(request, conversation_id))


async def retrieve(request: web.Request) -> web.StreamResponse:
    """A conversation."""
    return answer_json(await _shown(request, request.match_info["conversation_id"]))


async def change(request: web.Request) -> web.StreamResponse:
    """Give a conversation other metadata."""
    body, conversation_id = (
        await read_body(request, ChangedConversation),
        request.match_info["conversation_id"],
    )
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    if not await conversations.note(owner, conversation_id, [], metadata=body.metadata, known=True):
        raise _unknown()
    return answer_json(await _shown(request, conversation_id))


async def delete(request: web.Request) -> web.StreamResponse:
    """Delete a conversation with its items, and stop what answers it."""
    state, conversation_id = request.app[STATE], request.match_info["conversation_id"]
    await state.generations.surely(_remove(state, request[ASKER].owner, conversation_id))
    return answer_json(DeletedConversation(id=conversation_id))


async def items(request: web.Request) -> web.StreamResponse:
    """A conversation's items; the last first, unless `order=asc`."""
    return answer_json(page_of(request.query, await _items(request, request.match_info["conversation_id"])))


async def add(request: web.Request) -> web.StreamResponse:
    """Add items to the end of a conversation."""
    body, conversation_id = await read_body(request, NewItems), request.match_info["conversation_id"]
    said, _ = _noted(body.items)
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    if not await conversations.note(owner, conversation_id, said, known=True):
        raise _unknown()
    added = [item for message in said for item in message.items or []]
    return answer_json(page_of({"order": "asc", "limit": str(len(added))}, added))


async def item(request: web.Request) -> web.StreamResponse:
    """One item."""
    wanted = request.match_info["item_id"]
    for each in await _items(request, request.match_info["conversation_id"]):
        if each["id"] == wanted:
            return answer_json(each)
    raise NotFound("The conversation has no item of that id.", field="item_id")


async def history(
    request: web.Request, conversation: str | _Object, own: Sequence[_Object]
) -> tuple[str, list[_Object]]:
    """
    The id of a conversation that a response is to join, and what was said in it as chat writes it. A call
    that nobody has answered, *own* messages included, is left out: model servers refuse one.
    """
    field = "conversation"
    named = conversation if isinstance(conversation, str) else conversation.get("id")
    if not isinstance(named, str):
        raise InvalidRequest("`conversation` must be an id.", field=field)
    conversation_id = checked_id(named, field)
    said = response_items.chat_messages(await _items(request, conversation_id, field))
    answered = {message.get("tool_call_id") for message in (*said, *own)}
    return conversation_id, [kept for message in said if (kept := _answered(message, answered))]


def text_of(message: _Object | None) -> str:
    """The text of a chat message."""
    content = message["content"] if message is not None else None
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def last_said(said: Sequence[_Object]) -> str:
    """The text of the last that a user says."""
    return text_of(next((each for each in reversed(said) if each["role"] == "user"), None))


def _answered(message: _Object, ids: Container[str | None]) -> _Object | None:
    calls = [call for call in message.get("tool_calls", ()) if call["id"] in ids]
    if "tool_calls" not in message or len(calls) == len(message["tool_calls"]):
        return message
    without = {name: value for name, value in message.items() if name != "tool_calls"}
    if calls:
        return {**without, "tool_calls": calls}
    return without if without["content"] else None


def _noted(given: Sequence[_Object]) -> tuple[list[Message], str]:
    """*given* items as messages to be kept, and a title. Raises `InvalidRequest` naming what is none."""
    title = title_of(last_said(response_items.chat_messages(given)))
    said = []
    for each in response_items.items_of(given, uuid.uuid4().hex):
        [read, *_] = [*response_items.chat_messages([each]), None]
        role = _ROLES.get(read["role"] if read is not None else "", "user")
        said.append(Message(role=role, content=text_of(read), ts=now_ms(), items=[each]))
    return said, title


async def _shown(request: web.Request, conversation_id: str) -> ConversationObject:
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    known = await conversations.load(owner, conversation_id)
    if known is None:
        raise _unknown()
    return ConversationObject(
        id=known.id,
        created_at=known.created_ms // 1000,
        metadata=await conversations.metadata(owner, conversation_id),
    )


async def _items(request: web.Request, conversation_id: str, field: str = "conversation_id") -> list[_Object]:
    """All items of the conversation, oldest first."""
    owner = request[ASKER].owner
    whole = await request.app[STATE].conversations.read(owner, conversation_id)
    if whole is None:
        raise _unknown(field)
    listed: list[_Object] = []
    for i, raw in enumerate(whole.messages):
        message = messages.decode(raw)
        listed += message.items if message.items is not None else await _made(request, message, i)
    return listed


async def _made(request: web.Request, message: Message, number: int) -> list[_Object]:
    """Items of a message that was not said as such."""
    suffix = (message.generation_id or f"gen_{number}").removeprefix("gen_")
    if message.role != "assistant":
        content: str | list[_Object] = message.content
        if message.parts:
            owner, blobs = request[ASKER].owner, request.app[STATE].blobs
            content = [response_items.input_part(part) async for part in chat_content(message, owner, blobs)]
        given = {"role": message.role, "content": content, "id": f"msg_{suffix}_u"}
        return response_items.items_of([given], suffix)
    asked = ResponseObject(id=f"resp_{suffix}", created_at=message.ts // 1000, model=message.model or "")
    output = Output(suffix, asked, ())
    if message.reasoning:
        output.add("reasoning").text.append(message.reasoning)
    if message.content:
        output.add("message").text.append(message.content)
    for part in message.parts or ():
        kept = await request.app[STATE].blobs.get(request[ASKER].owner, part.blob)
        if kept is not None:
            output.add("image_generation_call").text.append(b64encode(kept[1]).decode())
    for i, call in enumerate(message.tool_calls or ()):
        output.add_call(ToolCall(message.ts, i, call.id, call.name)).text.append(call.arguments)
    status = "completed" if message.state == "done" and message.finish_reason != "length" else "incomplete"
    return [{**each, "status": status} for each in output.items()]


async def _remove(state: State, owner: str, conversation_id: str) -> None:
    stopped = await state.conversations.remove(owner, conversation_id)
    if stopped is None:
        raise _unknown()
    await state.generations.settle_stopped(stopped, "user")


def _unknown(field: str = "conversation_id") -> NotFound:
    return NotFound("There is no conversation of that id.", field=field)
