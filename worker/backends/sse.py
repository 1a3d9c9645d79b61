"""
Reading an upstream's server-sent events: bytes as the network cuts them, in; `data` payloads, out.

However the bytes are cut, the payloads are the same. Memory is bounded by one event's size, and
nothing but `UpstreamInvalid` is ever raised.
"""

from typing import Literal

from shared.failures import UpstreamInvalid
from worker.backends.shortener import Shortened, Shortener

#: An event longer than this is no delta of any model, but one may bring a picture along.
MAX_EVENT_BYTES = 1024 * 1024
#: Pictures of one event, as base64 has them. Those that are larger are told as lost.
MAX_PICTURE_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
#: Events that are signs of life, whatever their data.
_SIGNS = frozenset({b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive"})


class ErrorEvent(bytes):
    """The payload of an event that its server calls an error."""


class SSEParser:
    """
    The event stream format of the HTML standard, section 9.2.6, as far as it carries data.

    Line ends may be LF, CRLF or CR; comments and the fields `id` and `retry` are skipped; an event that the
    end of the stream cuts short is given out by `rest` alone. Beyond the standard, `error:` is taken for a
    field, as llama.cpp writes it, and a line of nothing but JSON for data. Of an event over the bound, long
    strings are left out; without any it is refused.
    """

    def __init__(
        self, max_event_bytes: int = MAX_EVENT_BYTES, max_picture_bytes: int = MAX_PICTURE_BYTES
    ) -> None:
        self._max_event_bytes = max_event_bytes
        self._max_picture_bytes = max_picture_bytes
        self._unfinished_line = bytearray()
        self._long: Shortener | None = None
        self._data: list[bytes] = []
        self._data_bytes = 0
        #: What the event's own name says of it, if that is anything to us.
        self._named: Literal["error", "sign"] | None = None
        self._ended_in_cr = False

    def feed(self, read: bytes) -> list[bytes]:
        """
        Take one network read and give the payloads of all events that it completes.

        Raises `UpstreamInvalid` when an event passes the bound.
        """
        if self._is_one_event(read):
            return [read[6:-2]]
        read = self._with_plain_line_ends(read)
        if b"\n" not in read:
            self._hold(read)
            return []
        payloads: list[bytes] = []
        if self._long is not None:
            head, _, read = read.partition(b"\n")
            self._long.feed(head)
            self._add(self._long.value())
            self._long = None
        elif self._unfinished_line:
            read = bytes(self._unfinished_line) + read
            self._unfinished_line.clear()
        lines = read.split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            elif line:
                self._other_line(line, payloads)
            elif self._data:
                self._end_event(payloads)
            else:
                self._named = None
        if rest:
            self._hold(rest)
        return payloads

    def rest(self) -> list[bytes]:
        """What the end of the stream cut short, if there is anything: a payload, whole or not."""
        payloads: list[bytes] = []
        if self._long is not None:
            self._add(self._long.value())
        elif self._unfinished_line:
            payloads += self.feed(b"\n")
        if self._data:
            self._end_event(payloads)
        self._long = None
        return payloads

    def _end_event(self, payloads: list[bytes]) -> None:
        if len(self._data) == 1 and self._named is None:
            payloads.append(self._data[0])
        elif self._named != "sign":
            payloads.append(self._payload())
        self._data.clear()
        self._data_bytes = 0
        self._named = None

    def _other_line(self, line: bytes, payloads: list[bytes]) -> None:
        line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._add(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            self._add(b"")
        elif line.startswith(b"event:"):
            name = line[6:].strip().lower()
            self._named = "error" if name == b"error" else "sign" if name in _SIGNS else None
        elif line.startswith(b"error:"):
            self._named = "error"
            self._add(line[6:].strip())
        elif line.startswith(b"{"):
            self._check(len(line))
            payloads.append(line)
        else:
            self._check(len(line))

    def _payload(self) -> bytes:
        data = b"\n".join(self._data)
        if self._named == "error":
            return ErrorEvent(data)
        shortened = [part for part in self._data if isinstance(part, Shortened)]
        if not shortened:
            return data
        value = Shortened(data)
        # What is in several lines was never one value of a picture's size but in one of them.
        value.pictures = {name: picture for part in shortened for name, picture in part.pictures.items()}
        return value

    def _is_one_event(self, read: bytes) -> bool:
        """What nearly every read is while a model writes; worth half the parser's time."""
        return (
            read.find(b"\n") == len(read) - 2
            and read.startswith(b"data: ")
            and read.endswith(b"\n\n")
            and b"\r" not in read
            and not (self._unfinished_line or self._data or self._ended_in_cr or self._named or self._long)
            and len(read) <= self._max_event_bytes
        )

    def _with_plain_line_ends(self, read: bytes) -> bytes:
        if self._ended_in_cr and read:
            self._ended_in_cr = False
            if read[0] == 0x0A:
                read = read[1:]
        if b"\r" in read:
            self._ended_in_cr = read.endswith(b"\r")
            read = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return read

    def _hold(self, read: bytes) -> None:
        """The beginning of a line, or more of it."""
        if self._long is not None:
            self._long.feed(read)
            return
        self._unfinished_line += read
        if len(self._unfinished_line) > self._max_event_bytes:
            line, self._unfinished_line = bytes(self._unfinished_line), bytearray()
            self._long = self._shortener(line[5:].lstrip(b" ") if line.startswith(b"data:") else b"")

    def _add(self, value: bytes) -> None:
        if len(value) >= self._max_event_bytes:
            value = self._shortener(value).value()
        self._data.append(value)
        # One more for the line end, so that a million empty lines count as well.
        self._data_bytes += len(value) + 1
        self._check(self._data_bytes)

    def _shortener(self, value: bytes) -> Shortener:
        """One that has begun with *value*; nothing but JSON may be so long."""
        if not value.startswith((b"{", b"[")):
            self._check(self._max_event_bytes + 1)
        shortener = Shortener(self._max_event_bytes, self._max_picture_bytes)
        shortener.feed(value)
        return shortener

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise UpstreamInvalid(f"The model server sent an event over {self._max_event_bytes} bytes.")
