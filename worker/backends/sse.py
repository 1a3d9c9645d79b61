"""
Reading an upstream's server-sent events: bytes as the network cuts them, in; `data` payloads, out.

However the bytes are cut, the payloads are the same. Memory is bounded by one event's size, and
nothing but `UpstreamInvalid` is ever raised.
"""

from shared.errors import UpstreamInvalid

#: An event longer than this is no delta of any model.
MAX_EVENT_BYTES = 1024 * 1024


class SSEParser:
    """
    The event stream format of the HTML standard, section 9.2.6, as far as it carries data.

    Line ends may be LF, CRLF or CR; comments and the fields `event`, `id` and `retry` are skipped;
    an event that the end of the stream cuts short is never given out.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._unfinished_line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
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
            self._unfinished_line += read
            self._check(len(self._unfinished_line))
            return []
        if self._unfinished_line:
            read = bytes(self._unfinished_line) + read
            self._unfinished_line.clear()
        lines = read.split(b"\n")
        rest = lines.pop()
        payloads: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if self._data:
                    payloads.append(b"\n".join(self._data))
                    self._data.clear()
                    self._data_bytes = 0
            elif line == b"data":
                self._add(b"")
            else:
                self._check(len(line))
        if rest:
            self._unfinished_line += rest
            self._check(len(rest))
        return payloads

    def _is_one_event(self, read: bytes) -> bool:
        """What nearly every read is while a model writes; worth half the parser's time."""
        return (
            read.find(b"\n") == len(read) - 2
            and read.startswith(b"data: ")
            and read.endswith(b"\n\n")
            and b"\r" not in read
            and not (self._unfinished_line or self._data or self._ended_in_cr)
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

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        # One more for the line end, so that a million empty lines count as well.
        self._data_bytes += len(value) + 1
        self._check(self._data_bytes)

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise UpstreamInvalid(f"The model server sent an event over {self._max_event_bytes} bytes.")
