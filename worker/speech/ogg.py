"""
Ogg pages, put into one stream: what is encoded sentence by sentence must be one piece of music to a player.

https://www.rfc-editor.org/rfc/rfc3533
"""

import struct
from collections.abc import Iterator

_HEAD = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_SERIAL = 0x48445243
_BEGINS = 2


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


_CRC = [_crc_of(byte) for byte in range(256)]


def crc(page: bytes) -> int:
    """A page's checksum, whose place in it is zero."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC[(value >> 24) ^ byte]
    return value


def go_on(file: bytes, pages: int, granule: int) -> tuple[bytes, int, int]:
    """
    The pages of *file* after so many pages, and samples, of the stream; gives them, and how many there are
    then. The headers are of the first file alone, and no page says that it is the last.
    """
    written, last = [], granule
    for flags, position, table, body in _pages(file):
        is_header = body[:8] in {b"OpusHead", b"OpusTags"}
        if is_header and granule:
            continue
        if not is_header and position >= 0:
            position += granule
            last = position
        head = bytearray(
            _HEAD.pack(b"OggS", 0, flags & _BEGINS, position, _SERIAL, pages, 0, len(table)) + table
        )
        head[_CRC_AT : _CRC_AT + 4] = struct.pack("<I", crc(bytes(head) + body))
        written.append(bytes(head) + body)
        pages += 1
    return b"".join(written), pages, last


def _pages(file: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    at = 0
    while at < len(file):
        _, _, flags, position, _, _, _, segments = _HEAD.unpack_from(file, at)
        table = file[at + _HEAD.size : at + _HEAD.size + segments]
        begin = at + _HEAD.size + segments
        at = begin + sum(table)
        yield flags, position, table, file[begin:at]
