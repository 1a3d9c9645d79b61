"""The native API."""

from collections.abc import Sequence

from gateway.dialects.native import archive, blobs, chat, conversations, shares
from gateway.edge.cancellation import Receipt
from gateway.route import BOOLEAN, IDEMPOTENT, RANGE, RESUME, STRING, Route
from shared.headline import Conversation

_FOUND = (
    ("query", "limit", {"type": "integer", "minimum": 1, "maximum": 200}),
    ("query", "q", {"type": "string", "maxLength": 200}),
    ("query", "before", STRING),
)
_MULTIMODAL = ("query", "multimodal", BOOLEAN)
_TYPED = (*RESUME, _MULTIMODAL)
_SHARED = (("header", shares.HEADER, STRING),)
_CACHED = (("header", "If-None-Match", STRING),)

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/chat/stream",
        chat.send,
        body=chat.ChatRequest,
        errors=(400, 401, 404, 409, 413, 415, 422, 429, 503),
        parameters=(*IDEMPOTENT, _MULTIMODAL),
    ),
    Route(
        "GET",
        "/api/chat/{generation_id}/stream",
        chat.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 503),
        parameters=_TYPED,
    ),
    Route("POST", "/api/chat/{generation_id}/cancel", chat.cancel, gives=Receipt, statuses=(200, 202)),
    Route("GET", "/api/chat/{generation_id}", chat.status, gives=chat.Status),
    Route(
        "POST",
        "/api/blobs",
        blobs.upload,
        gives=blobs.Uploaded,
        statuses=(201,),
        errors=(400, 401, 413, 415, 429, 503),
        counts=True,
    ),
    Route(
        "GET",
        "/api/blobs/{hash}",
        blobs.read,
        gives="application/octet-stream",
        statuses=(200, 206, 304),
        errors=(400, 401, 404, 416, 503),
        # Whoever may send a message sees what is in it.
        scopes=("read", "chat"),
        parameters=(*_CACHED, *RANGE),
    ),
    Route(
        "GET",
        "/api/conversations",
        conversations.recent,
        gives=conversations.ConversationList,
        parameters=_FOUND,
    ),
    Route(
        "GET",
        "/api/conversations/{conversation_id}",
        conversations.detail,
        gives=conversations.ConversationDetail,
        statuses=(200, 304),
        parameters=(*_CACHED, ("query", "branches", {"type": "boolean"})),
    ),
    Route(
        "PATCH",
        "/api/conversations/{conversation_id}",
        conversations.change,
        body=conversations.ConversationChange,
        gives=Conversation,
        errors=(400, 401, 404, 413, 415, 503),
    ),
    Route(
        "DELETE",
        "/api/conversations/{conversation_id}",
        conversations.remove,
        statuses=(204,),
        errors=(400, 401, 404, 503),
    ),
    Route(
        "GET",
        "/api/conversations/{conversation_id}/export",
        archive.write,
        gives=archive.Archive,
        also=("text/markdown",),
        parameters=(("query", "format", {"type": "string", "enum": ["json", "markdown"]}),),
    ),
    Route(
        "POST",
        "/api/conversations/import",
        archive.read,
        body=archive.Archive,
        gives=Conversation,
        statuses=(201,),
        errors=(400, 401, 409, 413, 415, 503),
        parameters=(("query", "conversation_id", STRING),),
        counts=True,
    ),
    Route(
        "POST",
        "/api/conversations/{conversation_id}/fork",
        archive.fork,
        gives=Conversation,
        statuses=(201,),
        errors=(400, 401, 404, 409, 503),
        counts=True,
    ),
    Route(
        "POST",
        "/api/conversations/{conversation_id}/restore",
        conversations.undo_remove,
        gives=Conversation,
        errors=(400, 401, 404, 409, 503),
        counts=True,
    ),
    Route(
        "POST",
        "/api/conversations/{conversation_id}/branch",
        conversations.show_branch,
        body=conversations.BranchChoice,
        gives=Conversation,
        errors=(400, 401, 404, 409, 413, 415, 503),
        counts=True,
    ),
    Route(
        "POST",
        "/api/conversations/{conversation_id}/share",
        shares.make,
        body=shares.ShareRequest,
        gives=shares.NewShare,
        statuses=(201,),
        errors=(400, 401, 404, 413, 415, 429, 503),
        counts=True,
    ),
    Route("GET", "/api/conversations/{conversation_id}/share", shares.listed, gives=shares.ShareList),
    Route(
        "DELETE",
        "/api/conversations/{conversation_id}/share/{share_id}",
        shares.revoke,
        statuses=(204,),
        errors=(400, 401, 404, 503),
    ),
    Route(
        "GET",
        "/api/shared/{share_id}",
        shares.read,
        gives=conversations.ConversationDetail,
        statuses=(200, 304),
        errors=(404, 503),
        parameters=(*_CACHED, *_SHARED),
        public=True,
    ),
    Route(
        "GET",
        "/api/shared/{share_id}/blobs/{hash}",
        shares.blob,
        gives="application/octet-stream",
        statuses=(200, 206, 304),
        errors=(404, 416, 503),
        parameters=(*_CACHED, *RANGE, *_SHARED),
        public=True,
    ),
    Route(
        "GET",
        "/api/shared/{share_id}/chat/{generation_id}/stream",
        shares.stream,
        statuses=(200, 204),
        errors=(400, 404, 429, 503),
        parameters=(*RESUME, *_SHARED),
        public=True,
    ),
    Route(
        "GET",
        "/api/conversations/{conversation_id}/stream",
        conversations.follow,
        statuses=(200, 204),
        errors=(400, 401, 404, 429, 503),
        parameters=_TYPED,
    ),
)
