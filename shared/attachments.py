"""A message's pictures and files as chat messages have them: bytes, or words for what is not to be had."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

from shared.blobs import Blobs
from shared.messages import Message
from shared.parts import Part, pieces


async def chat_content(message: Message, owner: str, blobs: Blobs) -> AsyncIterator[dict[str, Any]]:
    """All of *message*, in order, as the content parts of a chat message."""
    for piece in pieces(message.content, message.parts or ()):
        yield text(piece) if isinstance(piece, str) else await chat_part(piece, owner, blobs)


async def chat_part(part: Part, owner: str, blobs: Blobs, *, sees: bool = True) -> dict[str, Any]:
    """A picture or a file of *owner*'s as a content part, a text where its reader does not see pictures."""
    what, name = "picture" if part.type == "image" else "file", part.name
    if part.type == "image" and not sees:
        return text(f"[{what} {name}: you cannot see pictures]")
    kept = await blobs.get(owner, part.blob)
    if kept is None:
        return text(f"[{what} {name}: no longer there]")
    content_type, data = kept
    if part.type == "image":
        url = f"data:{content_type};base64,{b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}
    said = data.decode("utf-8-sig", "replace")
    return text(f"File {name or 'without a name'}:\n\n{said}")


def text(said: str) -> dict[str, Any]:
    """A text as a content part."""
    return {"type": "text", "text": said}
