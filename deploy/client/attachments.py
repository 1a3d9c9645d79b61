"""Pictures and text files of a message: kept by the server under their hash, then named by the message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .server import Server


@dataclass(frozen=True)
class Attachment:
    """What the server keeps of an upload; a message that is sent within the hour has it."""

    type: Literal["image", "file"]
    #: The SHA-256 of its bytes: by this messages name it.
    blob: str
    content_type: str
    size: int
    name: str


async def uploaded(server: Server, data: bytes, name: str) -> Attachment:
    """Have *data* kept. Raises `HeadraceError`."""
    kept = await server.json(
        "POST", "/api/blobs", data=data, headers={"Content-Type": "application/octet-stream"}
    )
    content_type = str(kept["content_type"])
    kind: Literal["image", "file"] = "image" if content_type.startswith("image/") else "file"
    return Attachment(kind, str(kept["blob"]), content_type, int(kept["size"]), name)


def wire_message(message: str | Sequence[str | Attachment]) -> str | list[dict[str, Any]]:
    """A message as it is sent: a text alone, or texts and attachments in their order."""
    if isinstance(message, str):
        return message
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": part.type, "blob": part.blob, "name": part.name}
        for part in message
    ]
