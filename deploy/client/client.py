"""The client itself: replies to start, to resume and to cancel on one server."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Self
from urllib.parse import quote

from .attachments import Attachment, uploaded, wire_message
from .errors import HeadraceError
from .reply import Reply
from .room import Room
from .server import Server
from .speech import speech_of

__all__ = ["HeadraceClient", "HeadraceError", "Reply"]


class HeadraceClient:
    """One server, over one pool of connections."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        self._server = Server(url, api_key)

    async def __aenter__(self) -> Self:
        self._server.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def start(
        self,
        message: str | Sequence[str | Attachment],
        *,
        conversation_id: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        multimodal: bool | None = None,
        on_busy: Literal["reject", "interrupt", "queue"] | None = None,
        on_disconnect: Literal["continue", "cancel"] | None = None,
        idempotency_key: str | None = None,
    ) -> Reply:
        """
        The reply to *message*, a text, or texts and what `upload` gave, in their order. It is sent on
        iteration; however often that is retried, it counts once.

        With an *idempotency_key* of your own that holds beyond this process: the same key and message
        give the same reply again.
        """
        return self._asked(
            idempotency_key,
            message=wire_message(message),
            conversation_id=conversation_id,
            model=model,
            max_tokens=max_tokens,
            multimodal=multimodal,
            on_busy=on_busy,
            on_disconnect=on_disconnect,
        )

    def continue_reply(
        self,
        generation_id: str,
        *,
        conversation_id: str,
        model: str | None = None,
        max_tokens: int | None = None,
        on_disconnect: Literal["continue", "cancel"] | None = None,
        idempotency_key: str | None = None,
    ) -> Reply:
        """
        The reply of *generation_id*, which its length has cut, going on from its own text.

        It begins with that text, so its `text()` is the whole. Iterating raises `HeadraceError`:
        `model_cannot_continue` where a message must ask the model to.
        """
        return self._asked(
            idempotency_key,
            continues=generation_id,
            conversation_id=conversation_id,
            model=model,
            max_tokens=max_tokens,
            on_disconnect=on_disconnect,
        )

    def _asked(self, key: str | None, **fields: object) -> Reply:
        body = {name: value for name, value in fields.items() if value is not None}
        return Reply(self._server, body, key=key)

    def resume(self, generation_id: str, after: str = "") -> Reply:
        """A reply that somebody else started: what follows *after*, else all of it."""
        return Reply(self._server, None, generation_id, after)

    async def reach(self) -> None:
        """Return where the server answers at all, whatever it says. Raises `HeadraceError` with why not."""
        await self._server.reach()

    async def upload(self, data: bytes, *, name: str = "") -> Attachment:
        """
        Keep a picture (PNG, JPEG, GIF, WebP) or a text (UTF-8) for messages, for an hour if none has it.

        Its bytes say what it is; *name* is what people and models call it. Raises `HeadraceError`:
        `unsupported_media_type`, `too_large`.
        """
        return await uploaded(self._server, data, name)

    async def blob(self, name: str) -> bytes:
        """The bytes that a part of a message, or of a reply, names by its `blob`. Raises `HeadraceError`."""
        return await self._server.read("GET", f"/api/blobs/{quote(name, safe='')}")

    def speech(
        self,
        generation_id: str,
        kind: Literal["wav", "pcm", "mp3", "opus"] = "wav",
        *,
        voice: str = "auto",
    ) -> AsyncIterator[bytes]:
        """
        A reply as sound, while it is written or after: the bytes of a file, as they come. Cancelling the
        reply silences it. Iterating raises `HeadraceError`: `speech_unavailable` where nobody speaks.
        """
        return speech_of(self._server, generation_id, kind, voice)

    def room(
        self,
        room_id: str,
        *,
        user_id: str | None = None,
        name: str | None = None,
        invitation: str | None = None,
        after: str = "",
    ) -> Room:
        """A place in a room: nobody is there until it is iterated over."""
        return Room(self._server, room_id, after, userId=user_id, name=name, invitation=invitation)

    async def cancel(self, generation_id: str) -> dict[str, Any]:
        """Stop a generation; the receipt says what came of it. Raises `HeadraceError`."""
        return await self._server.json("POST", f"/api/chat/{generation_id}/cancel")

    async def status(self, generation_id: str) -> dict[str, Any]:
        """How a generation stands, with its text so far. Raises `HeadraceError`."""
        return await self._server.json("GET", f"/api/chat/{generation_id}")
