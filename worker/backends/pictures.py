"""Pictures as model servers send them in chat completions: data addresses, in several wrappings."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import msgspec

from shared.blobs import TEXT, type_of
from shared.events import Text
from shared.parts import Lost
from worker.backends.shortener import SHORTENED

_DATA = re.compile(r"data:image/[\w.+-]+(;[^,]*)?,", re.ASCII)
#: Of an address: enough for any, and none that a picture's own bytes are in.
_MOST_URL_CHARS = 4_000
_MOST_WRAPPINGS = 4


class NewPicture(msgspec.Struct, frozen=True):
    """A picture of the answer, whose bytes are still to be stored; none where it was lost on the way."""

    ts: int
    data: bytes = b""
    content_type: str = ""
    lost: Lost | None = None


def pictures_of(said: Any, ts: int) -> Iterator[NewPicture | Text]:
    """What `images` of a delta holds: a list of `{"image_url": {"url": …}}`, or of something like it."""
    for image in said if isinstance(said, list) else [said]:
        if (address := _address(image)) is not None:
            yield picture_of(address, ts)


def picture_of(address: str, ts: int) -> NewPicture | Text:
    """A picture by its *address*. One that is elsewhere stays there: the text says where."""
    if SHORTENED in address:
        return NewPicture(ts, lost="too_large")
    head = _DATA.match(address)
    if head is None:
        if address.startswith(("https://", "http://")) and len(address) <= _MOST_URL_CHARS:
            return Text(ts, f"\n\n![]({quote(address, safe='/:?&=%#+,;@~-._')})\n\n")
        return NewPicture(ts, lost="no_picture")
    rest = address[head.end() :]
    try:
        data = b64decode(rest) if "base64" in (head[1] or "") else unquote_to_bytes(rest)
    except ValueError:
        return NewPicture(ts, lost="no_picture")
    content_type = type_of(data)
    if content_type is None or content_type == TEXT:
        return NewPicture(ts, lost="no_picture")
    return NewPicture(ts, data, content_type)


def _address(image: Any) -> str | None:
    """Where the picture is that *image* says; None for what says none."""
    for _ in range(_MOST_WRAPPINGS):
        if not isinstance(image, Mapping):
            break
        if isinstance(bare := image.get("b64_json") or image.get("result"), str):
            return f"data:image/png;base64,{bare}"
        image = next((image[key] for key in ("image_url", "url", "image") if key in image), None)
    return image if isinstance(image, str) and image else None
