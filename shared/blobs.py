"""
Pictures and texts by the hash of their bytes, outside the event log: an owner's own, and nobody else's.

A blob lives as long as the last of its holders (conversations) needs it, and for a while without any. An
owner has so many bytes of them; of more, those are let go that were not needed for longest.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from shared import keys
from shared.broker import Broker
from shared.cells import Cell

#: The type of all that is no picture: a text, whatever language it is in. Nothing is ever run of it.
TEXT = "text/plain"
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
#: How long one is kept that no message has yet.
_UNUSED_MS = 3600_000
#: A conversation is used again when its reply ends, which no blob of it is told of.
_SLACK_MS = 24 * 3600_000
#: A conversation that was deleted can come back for less.
_GONE_MS = 30_000
_HASH_CHARS = 64


class Blob(NamedTuple):
    """Its hash, its type and how many bytes it has."""

    hash: str
    content_type: str
    size: int


def type_of(data: bytes) -> str | None:
    """The type that bytes have by themselves, whatever is said of them; None for nothing to keep."""
    for head, content_type in _PICTURES:
        if data.startswith(head):
            return content_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    try:
        return None if "\0" in data.decode() else TEXT
    except UnicodeDecodeError:
        return None


class Blobs:
    """All blobs of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def most_bytes(self) -> int:
        """Of one."""
        settings = self._broker.settings
        return min(settings.max_upload_bytes, settings.max_owner_upload_bytes)

    async def put(
        self, owner: str, data: bytes, content_type: str, holder: str = "", for_ms: int | None = None
    ) -> Blob:
        """Keep *data* for *holder*; without one for an hour. At most `most_bytes` of them."""
        blob = Blob(sha256(data).hexdigest(), content_type, len(data))
        until = for_ms or (self._lifetime_ms if holder else _UNUSED_MS)
        most = self._broker.settings.max_owner_upload_bytes
        args: list[str | bytes | int] = [owner, blob.hash, content_type, data, holder, until, most]
        await self._broker.run("blob_put", self._cell(owner), args)
        return blob

    async def get(self, owner: str, name: str) -> tuple[str, bytes] | None:
        """Type and bytes; None for what *owner* does not have."""
        if not is_hash(name):
            return None
        cell = self._cell(owner)
        content_type, data = await self._broker.call(
            "blob", cell, "HMGET", cell.key(keys.BLOB, f"{owner}:{name}"), "type", "bytes"
        )
        return None if content_type is None or data is None else (content_type.decode(), data)

    async def hold(self, owner: str, conversation_id: str, hashes: Sequence[str]) -> list[Blob | None]:
        """Keep all of *hashes* with a conversation from now on; gives each that is there."""
        return await self._hold(owner, conversation_id, hashes, self._lifetime_ms)

    async def let_go(self, owner: str, conversation_id: str, hashes: Sequence[str]) -> None:
        """A conversation is deleted: its blobs go as soon as it cannot come back, but for those of others."""
        await self._hold(owner, conversation_id, hashes, _GONE_MS)

    async def _hold(self, owner: str, holder: str, hashes: Sequence[str], for_ms: int) -> list[Blob | None]:
        if not hashes:
            return []
        answer = await self._broker.run("blob_hold", self._cell(owner), [owner, holder, for_ms, *hashes])
        found = zip(hashes, answer[::2], answer[1::2], strict=True)
        return [Blob(name, kind.decode(), size) if kind else None for name, kind, size in found]

    @property
    def _lifetime_ms(self) -> int:
        return self._broker.settings.conversation_ttl_s * 1000 + _SLACK_MS

    def _cell(self, owner: str) -> Cell:
        return self._broker.cells.of_tenant(owner)


def is_hash(name: str) -> bool:
    """Whether *name* may be a blob's."""
    return len(name) == _HASH_CHARS and all(c in "0123456789abcdef" for c in name)


def listed(noted: bytes) -> list[str]:
    """The hashes that a conversation has noted."""
    text = noted.decode()
    return [text[at : at + _HASH_CHARS] for at in range(0, len(text), _HASH_CHARS)]
