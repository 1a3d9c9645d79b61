"""A message as it is sent: a text, or parts, of which pictures and files are kept by their hash."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.body import clean_file_name, clean_text
from gateway.edge.state import ASKER, STATE
from shared.blobs import TEXT, Blob, is_hash, type_of
from shared.errors import InvalidRequest, NotFound, TooLarge, UnsupportedMediaType
from shared.parts import Part
from shared.upstream import Ability


class TextPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text", tag_field="type"):
    """A piece of text."""

    text: str


class _Reference(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"
):
    #: What `POST /api/blobs` has given.
    blob: str
    name: str = ""


class ImagePart(_Reference, frozen=True, tag="image"):
    """A picture that was uploaded: PNG, JPEG, GIF or WebP."""


class FilePart(_Reference, frozen=True, tag="file"):
    """A text file that was uploaded."""


class ImageAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A picture's address: a data URL."""

    url: str
    detail: str | None = None


class ImageUrlPart(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="image_url",
    tag_field="type",
):
    """A picture as OpenAI writes it, with its bytes."""

    image_url: ImageAddress
    name: str = ""


MessagePart = TextPart | ImagePart | FilePart | ImageUrlPart


class Said(NamedTuple):
    """A message: its text, what stands in it, and what that needs of a model."""

    text: str = ""
    parts: Sequence[Part] = ()
    needs: Sequence[Ability] = ()


async def read_message(
    request: web.Request, message: str | list[MessagePart], conversation_id: str, model: str
) -> Said:
    """
    *message*, whose blobs are its conversation's from now on. Raises `InvalidRequest` naming the part
    at fault, also where the *model* cannot see what it is to look at.
    """
    most = request.app[STATE].settings.max_message_chars
    if isinstance(message, str):
        return Said(clean_text(message, "message", most))
    _check_sight(request, message, model)
    state, owner = request.app[STATE], request[ASKER].owner
    text, parts = "", []
    for number, part in enumerate(message):
        field = f"message[{number}]"
        if isinstance(part, TextPart):
            piece = clean_text(part.text, field, most) if part.text.strip() else ""
            text += f"\n\n{piece}" if text and piece else piece
            continue
        if isinstance(part, ImageUrlPart):
            data = _bytes_of(part.image_url.url, field)
            content_type = checked_type(data, state.blobs.most_bytes, field)
            blob: Blob | None = await state.blobs.put(owner, data, content_type, conversation_id)
        elif is_hash(part.blob):
            [blob] = await state.blobs.hold(owner, conversation_id, [part.blob])
        else:
            blob = None
        if blob is None:
            raise NotFound("There is no such blob: upload it again.", field=f"{field}.blob")
        kind: Literal["file", "image"] = "file" if blob.content_type == TEXT else "image"
        if isinstance(part, ImagePart | ImageUrlPart) != (kind == "image"):
            raise InvalidRequest(f"`{field}` is no {part.__struct_config__.tag}.", field=field)
        parts.append(
            Part(
                type=kind,
                blob=blob.hash,
                content_type=blob.content_type,
                size=blob.size,
                name=clean_file_name(part.name),
                at=len(text),
            )
        )
    if not text and not parts:
        raise InvalidRequest("`message` is empty.", field="message")
    if len(text) > most:
        clean_text(text, "message", most)
    return Said(text, parts, ["pictures"] if any(part.type == "image" for part in parts) else [])


def _check_sight(request: web.Request, message: list[MessagePart], model: str) -> None:
    """By name, before anything is kept."""
    for number, part in enumerate(message):
        if isinstance(part, ImagePart | ImageUrlPart):
            models = request.app[STATE].models
            if "pictures" in models.serving(model).cannot:
                what = f": {clean_file_name(part.name)}" if part.name else ""
                raise InvalidRequest(
                    f"The model {model!r} cannot see pictures{what}.", field=f"message[{number}]"
                )


def checked_type(data: bytes, most_bytes: int, field: str | None) -> str:
    """The type of what is to be kept. Raises `TooLarge`, or `UnsupportedMediaType`."""
    if len(data) > most_bytes:
        raise TooLarge(f"A picture or a file may have {most_bytes} bytes at most.", field=field)
    content_type = type_of(data) if data else None
    if content_type is None:
        raise UnsupportedMediaType(
            "Pictures (PNG, JPEG, GIF, WebP) and texts in UTF-8 can be kept, nothing else.", field=field
        )
    return content_type


def _bytes_of(url: str, field: str) -> bytes:
    head, comma, rest = url.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")):
        raise InvalidRequest(
            f"`{field}.image_url.url` must be a data URL in base64: nothing is fetched from elsewhere.",
            field=f"{field}.image_url.url",
        )
    try:
        return b64decode(rest, validate=True)
    except ValueError as error:
        raise InvalidRequest(
            f"`{field}.image_url.url` is no base64.", field=f"{field}.image_url.url"
        ) from error
