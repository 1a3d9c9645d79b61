"""Reading past what is too large: a JSON value whose long strings are left out as they come, but pictures."""

import re
import secrets
from itertools import count

from shared.failures import UpstreamInvalid

#: Stands where a string was. Nobody else can have written it.
SHORTENED = f"shortened-{secrets.token_hex(8)}"
#: As much of a string as there is, with its escapes.
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


_numbers = count()
#: How a picture's address begins; PHP's servers escape each slash.
_PICTURE = re.compile(rb"data:image\\?/")


class Shortened(bytes):
    """A payload with strings left out; of those that are pictures it has what stands in their place."""

    pictures: dict[str, str]


class Shortener:
    """
    Fed with one value, however it is cut, it holds at most *most_bytes* of it.

    Raises `UpstreamInvalid` where strings do not make it so large.
    """

    def __init__(self, most_bytes: int, most_picture_bytes: int = 0) -> None:
        """*most_picture_bytes*: of all pictures together."""
        self._most_bytes = most_bytes
        self._picture_bytes_left = most_picture_bytes
        self._pictures: dict[str, bytearray] = {}
        #: The one that is being read.
        self._picture: bytearray | None = None
        self._longest_string = 0
        self._kept = bytearray()
        #: Where the string began that is being read; -1 outside of strings.
        self._string_at = -1
        self._leaving_out = False
        self._escaped = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the value."""
        at = 0
        while at < len(data):
            at = self._string(data, at) if self._string_at >= 0 else self._outside(data, at)
        if len(self._kept) > self._most_bytes:
            raise UpstreamInvalid(f"The model server sent an event over {self._most_bytes} bytes.")

    def value(self) -> Shortened:
        """What is left of it."""
        value = Shortened(self._kept)
        value.pictures = {
            name: picture.decode("ascii", "replace").replace("\\/", "/")
            for name, picture in self._pictures.items()
            if picture
        }
        return value

    def _outside(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote + 1
        self._kept += data[at:end]
        if quote >= 0:
            self._string_at, self._leaving_out = len(self._kept), False
            # Many that are not so long fill it, too.
            is_full = len(self._kept) > self._most_bytes // 2
            self._longest_string = self._most_bytes // (1024 if is_full else 16)
        return end

    def _string(self, data: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            self._keep(data[at : at + 1])
            return at + 1
        match = _STRING.match(data, at)
        end = match.end() if match else at
        self._keep(data[at:end])
        if end == len(data):
            return end
        if data[end : end + 1] == b"\\":
            self._keep(b"\\")
            self._escaped = True
        else:
            self._kept += b'"'
            self._string_at = -1
            self._picture = None
        return end + 1

    def _keep(self, piece: bytes) -> None:
        if self._picture is not None:
            self._draw(piece)
            return
        if self._leaving_out:
            return
        if len(self._kept) - self._string_at + len(piece) > self._longest_string:
            begun = bytes(self._kept[self._string_at :]) + piece
            del self._kept[self._string_at :]
            if _PICTURE.match(begun):
                # Unlike that of any other payload: several may be joined to one.
                name = f"{SHORTENED}-{next(_numbers)}"
                self._kept += name.encode()
                self._picture = self._pictures[name] = bytearray()
                self._draw(begun)
            else:
                self._kept += SHORTENED.encode()
                self._leaving_out = True
        else:
            self._kept += piece

    def _draw(self, piece: bytes) -> None:
        """More of a picture; of one that is too large nothing is left but its place."""
        picture = self._picture
        if picture is None or self._leaving_out:
            return
        self._picture_bytes_left -= len(piece)
        if self._picture_bytes_left < 0:
            self._picture_bytes_left += len(picture) + len(piece)
            picture.clear()
            self._leaving_out = True
        else:
            picture += piece
