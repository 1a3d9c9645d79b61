"""
Reading server-sent events, wherever the network cuts the bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_DIGITS = re.compile(rb"[0-9]{1,9}")


class FrameTooLarge(Exception):
    """A line or a frame grew beyond what a reader is ready to keep."""


class Frame(NamedTuple):
    """One event: its data, its type, and the last id the stream has named."""

    data: bytes
    event: str
    id: str


class SSEParser:
    """
    Bytes in, whole frames out; comments are skipped.

    `last_event_id` and `retry_ms` are what the stream last said. Raises `FrameTooLarge`.
    """

    def __init__(self, max_frame_bytes: int = 4 * 1024 * 1024) -> None:
        self.last_event_id = ""
        #: An id counts from its event's blank line on: what the network cuts before was never read.
        self._id = ""
        self.retry_ms: int | None = None
        self._max_frame_bytes = max_frame_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._event = ""
        self._size = 0
        self._at_start = True
        #: The last byte was a CR: a LF that follows belongs to it.
        self._after_cr = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that *data* completes."""
        if not data:
            return []
        after_cr, self._after_cr = self._after_cr, data.endswith(b"\r")
        if after_cr and data.startswith(b"\n"):
            data = data[1:]
        frames: list[Frame] = []
        first, *rest = _LINE_END.split(data)
        self._keep(first)
        for following in rest:
            line = bytes(self._line)
            self._line.clear()
            if frame := self._take(line):
                frames.append(frame)
            self._keep(following)
        return frames

    def _keep(self, part: bytes) -> None:
        self._line += part
        if self._size + len(self._line) > self._max_frame_bytes:
            raise FrameTooLarge(f"a frame is larger than {self._max_frame_bytes} bytes")

    def _take(self, line: bytes) -> Frame | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
            case b"event":
                self._event = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if _DIGITS.fullmatch(value):
                self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Frame | None:
        data, event = self._data, self._event
        self.last_event_id = self._id
        self._data, self._event, self._size = [], "", 0
        if not data:
            return None
        return Frame(b"\n".join(data), event or "message", self.last_event_id)
