"""Pictures and files of a conversation, as its model gets them: bytes, or words."""

from collections.abc import Iterator, Sequence
from typing import Any

from shared.attachments import chat_part, text
from shared.blobs import Blobs
from shared.messages import Message
from shared.parts import Part, pieces


def as_prompted(message: Message) -> Iterator[dict[str, Any]]:
    """
    *message* as OpenAI writes messages, what is in blobs still by reference.

    Pictures that a reply drew follow it as a user's message: servers take none of an assistant's.
    """
    drawn = [] if message.role == "user" else [part for part in message.parts or () if part.blob]
    if message.role == "user" and message.parts:
        content = [text(piece) if isinstance(piece, str) else _blob(piece) for piece in _pieces(message)]
        yield {"role": "user", "content": content}
    elif message.content:
        yield {"role": message.role, "content": message.content}
    elif drawn:
        yield {"role": message.role, "content": "(a picture)"}
    if drawn:
        yield {"role": "user", "content": [text("Your picture:"), *map(_blob, drawn)]}


async def with_blobs(
    messages: Sequence[dict[str, Any]], owner: str, blobs: Blobs, *, sees: bool
) -> list[dict[str, Any]]:
    """*messages* with the bytes of *owner*'s blobs, as parts that model servers know."""
    return [
        {**message, "content": [await _filled(part, owner, blobs, sees) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


async def _filled(content: Any, owner: str, blobs: Blobs, sees: bool) -> Any:
    part = content.get("blob") if isinstance(content, dict) else None
    return await chat_part(part, owner, blobs, sees=sees) if isinstance(part, Part) else content


def _pieces(message: Message) -> Iterator[str | Part]:
    return pieces(message.content, message.parts or ())


def _blob(part: Part) -> dict[str, Any]:
    return {"type": "blob", "blob": part}
