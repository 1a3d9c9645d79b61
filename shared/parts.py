"""What a message has beside its text: pictures and files, by reference to stored bytes."""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

#: Why a picture of a reply is not there: larger than may be kept, no picture, or there was no place for it.
Lost = Literal["too_large", "no_picture", "not_kept"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """
    A picture, or a file that is a text. `at` counts the characters of the message's text before it.

    One whose `blob` is empty was `lost`.
    """

    # `lua/_steps.lua` finds a message's blobs by this name.
    blob: str = ""
    type: Literal["image", "file"] = msgspec.field()
    content_type: str = ""
    size: int = 0
    name: str = ""
    at: int = 0
    lost: str | None = None


def pieces(text: str, parts: Iterable[Part]) -> Iterator[str | Part]:
    """A message's text and parts, in their order; no piece of text is empty."""
    read = 0
    for part in parts:
        at = max(read, min(part.at, len(text)))
        if piece := text[read:at].strip("\n"):
            yield piece
        yield part
        read = at
    if piece := (text[read:].strip("\n") if read else text):
        yield piece


def address(part: Part) -> str:
    """Where its owner reads it."""
    return f"/api/blobs/{part.blob}"


def words(part: Part, where: str | None = None) -> str:
    """A picture in a text, for who has no other word for it; *where* others than its owner read it."""
    if part.lost is not None:
        return f"\n\n*A picture was lost: {part.lost.replace('_', ' ')}.*\n\n"
    return f"\n\n![picture]({where or address(part)})\n\n"
