"""The AI SDK's chats."""

from collections.abc import Sequence

from gateway.dialects.ai_sdk import chat
from gateway.edge.cancellation import Receipt
from gateway.route import IDEMPOTENT, RESUME, STRING, Route

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/ui/chat",
        chat.send,
        body=chat.UIChatRequest,
        errors=(400, 401, 404, 413, 415, 422, 429, 503),
        parameters=IDEMPOTENT,
    ),
    Route(
        "GET",
        "/api/ui/chat/{chat_id}/stream",
        chat.resume,
        statuses=(200, 204),
        errors=(400, 401, 429, 503),
        parameters=(*RESUME, ("query", "message_id", STRING)),
    ),
    Route(
        "POST",
        "/api/ui/chat/{chat_id}/stop",
        chat.halt,
        body=chat.UIStopRequest,
        gives=Receipt,
        statuses=(200, 202, 204),
        errors=(400, 401, 404, 413, 415, 503),
    ),
)
