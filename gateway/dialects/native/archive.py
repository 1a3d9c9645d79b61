"""A conversation as a file: written as Markdown or JSON, and made again of that JSON."""

import re
import uuid
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Literal
from urllib.parse import quote

import msgspec
from aiohttp import web

from gateway.dialects.native.message import checked_type
from gateway.edge.access import checked_settings
from gateway.edge.answers import answer_json
from gateway.edge.body import checked_id, clean_file_name, read_body
from gateway.edge.state import ASKER, STATE, State
from gateway.edge.submission import new_conversation_id
from shared import messages
from shared.blobs import is_hash
from shared.branches import Branch, Fork
from shared.errors import Busy, InvalidRequest, NotFound, Taken
from shared.events import now_ms
from shared.generation import TERMINAL_STATES, ChatSettings
from shared.messages import Message
from shared.names import shown_name
from shared.parts import Part, pieces
from shared.steps import MAX_BRANCHES

_MOST_TITLE_CHARS = 200
_NO_FILE_NAME = re.compile(r"[^\w.-]+")
_FENCE = re.compile(r"`{3,}")


class ArchivedBranch(msgspec.Struct, frozen=True):
    """What is said from a turn on, on a branch that is not shown; `after` no turn, at the beginning."""

    generation_id: str
    messages: list[Message]
    after: str | None = None


class ArchivedBlob(msgspec.Struct, frozen=True):
    """A picture or a text, and the hash that messages name it by."""

    blob: str
    data: bytes


class Archive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation as JSON. What came after this version is passed over."""

    format: Literal["headrace.conversation"] = msgspec.field()
    version: Literal[1] = msgspec.field()
    title: str
    messages: list[Message]
    exported_ms: int = 0
    settings: ChatSettings | None = None
    branches: list[ArchivedBranch] = []
    #: The bytes of its pictures and files, but for those that are kept no longer.
    blobs: list[ArchivedBlob] = []


async def write(request: web.Request) -> web.StreamResponse:
    """The conversation as a file, as `?format=` says."""
    kind = request.query.get("format", "json")
    if kind not in {"json", "markdown"}:
        raise InvalidRequest("`format` must be json or markdown.", field="format")
    state, conversation_id = request.app[STATE], request.match_info["conversation_id"]
    whole = await state.conversations.read(request[ASKER].owner, conversation_id, aside=True)
    if whole is None:
        raise NotFound("There is no conversation of that id.", field="conversation_id")
    headline = whole.version.headline
    said = [messages.decode(raw) for raw in whole.messages]
    if kind == "markdown":
        return _file(headline.title, "md", "text/markdown", _markdown(headline.title, said).encode())
    archive = Archive(
        format="headrace.conversation",
        version=1,
        title=headline.title,
        messages=said,
        exported_ms=now_ms(),
        settings=None if headline.settings is msgspec.UNSET else headline.settings,
        branches=[
            ArchivedBranch(each.generation_id, [messages.decode(raw) for raw in each.messages], each.after)
            for each in whole.branches
        ],
    )
    archive = msgspec.structs.replace(archive, blobs=await _blobs(state, request[ASKER].owner, archive))
    return _file(headline.title, "json", "application/json", msgspec.json.encode(archive))


async def read(request: web.Request) -> web.StreamResponse:
    """Make a conversation of an archive, under `?conversation_id=`, which nobody may have, or a new one."""
    state = request.app[STATE]
    most = 2 * state.settings.max_conversation_bytes + state.settings.max_body_bytes
    most += state.settings.max_owner_upload_bytes * 4 // 3
    archive = await read_body(request, Archive, most)
    asked = request.query.get("conversation_id")
    conversation_id = checked_id(asked or new_conversation_id(request), "conversation_id")
    for message in _every(archive):
        _check(message)
    kinds = {each.blob: _checked(each, state.blobs.most_bytes) for each in archive.blobs}
    if not archive.messages:
        raise InvalidRequest("`messages` is empty.", field="messages")
    title = shown_name(archive.title, _MOST_TITLE_CHARS) or "…"
    if archive.settings is not None:
        checked_settings(state, archive.settings)
    owner, renamed = request[ASKER].owner, _Renamed()
    if await state.conversations.version(owner, conversation_id) is not None:
        raise Taken(field="conversation_id")
    for each in archive.blobs:
        await state.blobs.put(owner, each.data, kinds[each.blob], conversation_id)
    await state.conversations.create(
        owner,
        conversation_id,
        title,
        renamed.encoded(archive.messages),
        archive.settings,
        list(_branches(archive.branches, renamed, state.settings.max_conversation_bytes)),
    )
    await state.generations.make_room(owner, conversation_id)
    conversation = await state.conversations.load(owner, conversation_id)
    return answer_json(conversation, status=201)


def _every(archive: Archive) -> Iterator[Message]:
    yield from archive.messages
    for branch in archive.branches:
        yield from branch.messages


async def _blobs(state: State, owner: str, archive: Archive) -> list[ArchivedBlob]:
    named = {part.blob: None for message in _every(archive) for part in message.parts or () if part.blob}
    found = [(name, await state.blobs.get(owner, name)) for name in named]
    return [ArchivedBlob(name, kept[1]) for name, kept in found if kept is not None]


def _checked(archived: ArchivedBlob, most_bytes: int) -> str:
    """Its type. Raises `InvalidRequest` for bytes that are not those of its name."""
    if sha256(archived.data).hexdigest() != archived.blob:
        raise InvalidRequest("The bytes of a blob are not those that its hash is of.", field="blobs")
    return checked_type(archived.data, most_bytes, "blobs")


async def fork(request: web.Request) -> web.StreamResponse:
    """A copy of the conversation as it stands, branches and settings included; each goes its own way."""
    state, owner = request.app[STATE], request[ASKER].owner
    whole = await state.conversations.read(owner, request.match_info["conversation_id"], aside=True)
    if whole is None:
        raise NotFound("There is no conversation of that id.", field="conversation_id")
    headline, new = whole.version.headline, new_conversation_id(request)
    if headline.active is not None:
        raise Busy(field="conversation_id", detail={"generation_id": headline.active})
    aside = [
        (Fork(each.after or "", each.generation_id, _said_at(each), sum(map(_size, each.messages))), each)
        for each in whole.branches
    ]
    await state.conversations.create(
        owner,
        new,
        headline.title,
        [bytes(raw) for raw in whole.messages],
        None if headline.settings is msgspec.UNSET else headline.settings,
        [(mark, [bytes(raw) for raw in each.messages]) for mark, each in aside],
    )
    await state.generations.make_room(owner, new)
    return answer_json(await state.conversations.load(owner, new), status=201)


def _said_at(branch: Branch) -> int:
    return messages.decode(branch.messages[0]).ts


def _size(raw: msgspec.Raw) -> int:
    return len(bytes(raw))


class _Renamed:
    """Generations of an archive by new names: those of the old ones may be somebody else's here."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, old: str) -> str:
        return self._names.setdefault(old, f"gen_{uuid.uuid4().hex}")

    def encoded(self, said: Sequence[Message]) -> list[bytes]:
        return [messages.encode(self._renamed(message)) for message in said]

    def _renamed(self, message: Message) -> Message:
        changed: dict[str, object] = {}
        if message.generation_id is not None:
            changed["generation_id"] = self.name(message.generation_id)
        if message.parts:
            changed["parts"] = [
                msgspec.structs.replace(part, name=clean_file_name(part.name)) for part in message.parts
            ]
        return msgspec.structs.replace(message, **changed)


def _branches(
    branches: Sequence[ArchivedBranch], renamed: _Renamed, most_bytes: int
) -> Iterator[tuple[Fork, Sequence[bytes]]]:
    total = 0
    for branch in branches[-MAX_BRANCHES:]:
        if not branch.messages or branch.messages[0].generation_id != branch.generation_id:
            raise InvalidRequest("A branch begins with a message of its own generation.", field="branches")
        said = renamed.encoded(branch.messages)
        size = sum(map(len, said))
        total += size
        if total > most_bytes:
            raise InvalidRequest("`branches` say more than is kept.", field="branches")
        after = "" if branch.after is None else renamed.name(branch.after)
        yield Fork(after, renamed.name(branch.generation_id), branch.messages[0].ts, size), said


def _check(message: Message) -> None:
    if message.state is not None and message.state not in TERMINAL_STATES:
        raise InvalidRequest(f"A message cannot be {message.state[:40]!r} here.", field="messages")
    if message.generation_id is not None:
        checked_id(message.generation_id, "messages")
    for part in message.parts or ():
        if part.blob and not is_hash(part.blob):
            raise InvalidRequest(f"{part.blob[:80]!r} is no blob.", field="messages")
    if message.ts < 0:
        raise InvalidRequest("A message's `ts` is a time since 1970.", field="messages")


def _file(title: str, ending: str, content_type: str, body: bytes) -> web.Response:
    name = _NO_FILE_NAME.sub("-", title).strip("-.")[:80] or "conversation"
    disposition = f"attachment; filename=\"conversation.{ending}\"; filename*=UTF-8''{quote(name)}.{ending}"
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-store"}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)


def _markdown(title: str, said: Sequence[Message]) -> str:
    parts = [f"# {title or 'Conversation'}"]
    for message in said:
        who = {"user": "You", "assistant": "Assistant"}.get(message.role, "System")
        parts.append(f"## {who}" + (f" ({message.model})" if message.model else ""))
        if message.reasoning:
            parts.append(f"<details><summary>Reasoning</summary>\n\n{message.reasoning}\n\n</details>")
        parts += [each if isinstance(each, str) else _part(each) for each in _pieces(message)]
        for call in message.tool_calls or ():
            longest = max(map(len, _FENCE.findall(call.arguments)), default=2)
            fence = "`" * (longest + 1)
            parts.append(f"Calls `{call.name}`:\n\n{fence}json\n{call.arguments}\n{fence}")
        if note := _ending(message):
            parts.append(f"*{note}*")
    return "\n\n".join(parts) + "\n"


def _pieces(message: Message) -> Iterator[str | Part]:
    return pieces(message.content, message.parts or ())


def _part(part: Part) -> str:
    return f"*{'Picture' if part.type == 'image' else 'File'}: {part.name or part.blob[:12] or 'lost'}*"


def _ending(message: Message) -> str:
    if message.error is not None:
        return f"Failed: {message.error.code}"
    if message.state == "cancelled":
        return "Stopped"
    return {"length": "Cut short", "content_filter": "Stopped by a content filter"}.get(
        message.finish_reason or "", ""
    )
