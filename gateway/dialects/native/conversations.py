"""Conversations as their owner sees them, and the stream of the one that is being answered."""

import msgspec
from aiohttp import web

from gateway.dialects.native import search
from gateway.dialects.native.frames import CONVERSATION, OF_GENERATION
from gateway.dialects.native.typed import TYPED_CONVERSATION, typed
from gateway.edge.access import checked_settings, owned, room_for_stream
from gateway.edge.answers import answer_json, has_it
from gateway.edge.body import checked_id, clean_name, read_body
from gateway.edge.state import ASKER, STATE, State
from gateway.edge.streams import checked_resumption, expired, resume_value, stream_headers, stream_known
from gateway.relay.dialect import Dialect, Resumption
from gateway.relay.relay import ahead
from shared.branches import Branch, Branching
from shared.errors import InvalidRequest, NotFound
from shared.generation import ChatSettings, Generation
from shared.headline import Conversation, Spent
from shared.messages import Message
from shared.place import Place
from shared.position import ORIGIN, Position

_MOST = 200
_MOST_QUERY_CHARS = 200
_MOST_TITLE_CHARS = 200


class ConversationList(msgspec.Struct, frozen=True, omit_defaults=True):
    """`GET /api/conversations`, the last used first."""

    conversations: list[search.Listed]
    #: `?before=` of the next page; there is none where the list ends.
    next: str | None = None
    #: The search ended before it had seen everything.
    incomplete: bool = False


class BranchDetail(msgspec.Struct, frozen=True):
    """What is said from a turn on, on a branch that is not shown, oldest first."""

    after: str | None
    generation_id: str
    messages: list[Message]


class ConversationDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """`GET /api/conversations/{conversation_id}`, messages oldest first."""

    conversation: Conversation
    messages: list[Message]
    #: What all its replies have used; absent where none has ended.
    spent: Spent | None = None
    #: Where turns stand in each other's place; absent where nowhere.
    branchings: list[Branching] = []
    #: With `?branches=true`, what is said on the branches that are not shown.
    branches: list[BranchDetail] = []


class ConversationChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`PATCH /api/conversations/{conversation_id}`: what is named is changed."""

    title: str | None = None
    #: All of them; what is left out is as the model has it.
    settings: ChatSettings | None = None


class BranchChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /api/conversations/{conversation_id}/branch`"""

    #: The turn that is to be shown, with what follows it.
    generation_id: str


class _Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ConversationDetail`, its messages passed on as the broker keeps them."""

    conversation: Conversation
    messages: list[msgspec.Raw]
    spent: Spent | None = None
    branchings: list[Branching] = []
    branches: list[Branch] = []


async def recent(request: web.Request) -> web.StreamResponse:
    """The asker's conversations, page by page; `?q=` looks for a text in titles and messages."""
    raw = request.query.get("limit", "100")
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= _MOST:
        raise InvalidRequest(f"`limit` must be a number from 1 to {_MOST}.", field="limit")
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    count, before = int(raw), _before(request)
    query = request.query.get("q", "").strip()
    if not query:
        page, more = await conversations.recent(owner, count, before)
        found = search.Findings([search.listed_as(each) for _, each in page], more, False)
    elif len(query) > _MOST_QUERY_CHARS:
        raise InvalidRequest(f"`q` may have {_MOST_QUERY_CHARS} characters at most.", field="q")
    else:
        found = await search.find(conversations, owner, query, count, before)
    following = None if found.more is None else str(found.more)
    return answer_json(ConversationList(found.conversations, following, found.incomplete))


def _before(request: web.Request) -> Place | None:
    written = request.query.get("before")
    try:
        return None if written is None else Place.parse(written)
    except ValueError as error:
        raise InvalidRequest("`before` must be the `next` of an earlier page.", field="before") from error


async def detail(request: web.Request) -> web.StreamResponse:
    """One conversation with its messages; 304 where `If-None-Match` has its present ETag."""
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    conversation_id = request.match_info["conversation_id"]
    if request.if_none_match:
        version = await conversations.version(owner, conversation_id)
        if version is not None and has_it(request, version.tag):
            return web.Response(status=304, headers=_caching(version.tag))
    wants_all = _flag(request, "branches")
    whole = await conversations.read(owner, conversation_id, aside=wants_all)
    if whole is None:
        raise _unknown()
    version = whole.version
    found = _Detail(version.headline, whole.messages, version.spent, whole.branchings, whole.branches)
    return answer_json(found, headers=_caching(whole.version.tag))


def _flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in {"true", "false"}:
        raise InvalidRequest(f"`{name}` must be true or false.", field=name)
    return value == "true"


async def show_branch(request: web.Request) -> web.StreamResponse:
    """Show another branch: the turn that is named, and what follows it, in place of the shown one."""
    choice = await read_body(request, BranchChoice)
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    conversation_id = request.match_info["conversation_id"]
    if not await conversations.show_branch(
        owner, conversation_id, checked_id(choice.generation_id, "generation_id")
    ):
        raise _unknown()
    return answer_json(await _owned(request))


async def undo_remove(request: web.Request) -> web.StreamResponse:
    """Bring back a conversation that was deleted a moment ago."""
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    if not await conversations.undo_remove(owner, request.match_info["conversation_id"]):
        raise _unknown()
    return answer_json(await _owned(request))


async def change(request: web.Request) -> web.StreamResponse:
    """Give a conversation another title, or other settings."""
    asked = await read_body(request, ConversationChange)
    if asked.title is None and asked.settings is None:
        raise InvalidRequest("The body names neither a `title` nor `settings`.", field="title")
    title, settings = asked.title, asked.settings
    if title is not None:
        title = clean_name(title, "title", _MOST_TITLE_CHARS)
    if settings is not None:
        settings = checked_settings(request.app[STATE], settings)
    conversations, owner = request.app[STATE].conversations, request[ASKER].owner
    conversation_id = request.match_info["conversation_id"]
    if not await conversations.change(owner, conversation_id, title=title, settings=settings):
        raise _unknown()
    return answer_json(await _owned(request))


async def remove(request: web.Request) -> web.StreamResponse:
    """Delete a conversation, and stop what answers it."""
    state, owner = request.app[STATE], request[ASKER].owner
    await state.generations.surely(_remove(state, owner, request.match_info["conversation_id"]))
    return web.Response(status=204)


async def _remove(state: State, owner: str, conversation_id: str) -> None:
    stopped = await state.conversations.remove(owner, conversation_id)
    if stopped is None:
        raise _unknown()
    await state.generations.settle_stopped(stopped, "user")


async def follow(request: web.Request) -> web.StreamResponse:
    """
    Attach to the generation that answers right now; 204 if none does.

    The last id of a reader that comes back names a generation: what it has not read of that comes first.
    """
    state = request.app[STATE]
    field, named, place = _last_read(request)
    conversation = await _owned(request)
    room_for_stream(state)
    known = await _of(request, conversation.id, named)
    dialect = CONVERSATION if known is None else _dialect(request, known)
    after, encoder = checked_resumption(field, place, dialect) if place else Resumption(ORIGIN)
    if known is not None and await _has_more(state, known, after):
        return await stream_known(request, known, dialect, after, stream_headers(known), encoder=encoder)
    if conversation.active == named:
        return web.Response(status=204)
    active = await _of(request, conversation.id, conversation.active)
    if active is None:
        return web.Response(status=204)
    return await stream_known(request, active, _dialect(request, active), ORIGIN, stream_headers(active))


def _dialect(request: web.Request, generation: Generation) -> Dialect:
    return TYPED_CONVERSATION if typed(request, generation) else CONVERSATION


def _last_read(request: web.Request) -> tuple[str, str | None, str]:
    """The field that says what a reader has read last, its generation, and the place in that."""
    field, value = resume_value(request)
    if value is None:
        return field, None, ""
    generation_id, slash, place = value.partition(OF_GENERATION)
    if not slash or not generation_id or not place:
        raise InvalidRequest(
            f"`{field}` must name its generation here, as this stream's ids do: gen_…{OF_GENERATION}1-57.",
            field=field,
        )
    return field, generation_id, place


async def _of(request: web.Request, conversation_id: str, generation_id: str | None) -> Generation | None:
    """The generation of that id, if it is the asker's and answers this conversation."""
    if generation_id is None:
        return None
    try:
        generation = await owned(request.app[STATE], request, generation_id)
    except NotFound:
        return None
    return generation if generation.conversation == conversation_id else None


async def _has_more(state: State, generation: Generation, after: Position) -> bool:
    """
    Whether something follows *after*. Raises `Gone` for what can no longer be read, and `InvalidRequest` for
    a position beyond the end.
    """
    if not generation.ended:
        return True
    top = await state.log.top(generation.id)
    if top is None and (generation.position is None or after < Position.parse(generation.position)):
        raise expired(f"/api/chat/{generation.id}")
    if top is not None and after > top:
        raise ahead(after, top)
    return top is not None and after < top


async def _owned(request: web.Request) -> Conversation:
    conversations = request.app[STATE].conversations
    conversation = await conversations.load(request[ASKER].owner, request.match_info["conversation_id"])
    if conversation is None:
        raise _unknown()
    return conversation


def _unknown() -> NotFound:
    return NotFound("There is no conversation of that id.", field="conversation_id")


def _caching(tag: str) -> dict[str, str]:
    return {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}
