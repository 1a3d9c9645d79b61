"""
Read-only links to conversations: each ends by itself, and before that when its owner says so.

A link's secret is known to those who have it; the broker has its hash. A link is to one conversation as long
as that lives: never to another of the same name.
"""

import hmac
import secrets
import time
import uuid
from hashlib import sha256

import msgspec

from shared import keys
from shared.broker import Broker
from shared.errors import TooBusy

#: Of one conversation.
_MOST = 20
#: How long a link lives at most.
LONGEST_S = 90 * 24 * 3600


class Share(msgspec.Struct, frozen=True):
    """A link. Times are milliseconds since the epoch."""

    id: str
    created_ms: int
    expires_ms: int


class Shared(msgspec.Struct, frozen=True):
    """What a link leads to: whose conversation, and when that was begun."""

    share: Share
    owner: str
    conversation: str
    begun_ms: int
    seal: str


class Shares:
    """All links of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def make(self, owner: str, conversation_id: str, begun_ms: int, lives_s: int) -> tuple[Share, str]:
        """A new link and its secret. Raises `TooBusy` where there are too many."""
        if len(await self.of(owner, conversation_id)) >= _MOST:
            raise TooBusy(f"A conversation has at most {_MOST} links: revoke one.")
        now = int(time.time() * 1000)
        share = Share(uuid.uuid4().hex, now, now + lives_s * 1000)
        secret = secrets.token_urlsafe(32)
        kept = msgspec.json.encode(Shared(share, owner, conversation_id, begun_ms, _seal(secret)))
        cell = self._broker.cells.of_tenant(share.id)
        key = cell.key(keys.SHARE, share.id)
        await self._broker.call("share", cell, "SET", key, kept, "PX", lives_s * 1000)
        home = self._broker.cells.of_conversation(owner, conversation_id)
        listed = home.key(keys.SHARES, f"{owner}:{conversation_id}")
        # Should this be lost, nobody has heard of its secret.
        await self._broker.pipe(
            "share",
            home,
            [
                ("ZREMRANGEBYSCORE", listed, "-inf", now),
                ("ZADD", listed, share.expires_ms, msgspec.json.encode(share)),
                # As long as any of them, or its owner could not revoke what still opens.
                ("EXPIRE", listed, LONGEST_S),
            ],
            transaction=True,
        )
        return share, secret

    async def of(self, owner: str, conversation_id: str) -> list[Share]:
        """A conversation's links that have not ended, the first to end first."""
        home = self._broker.cells.of_conversation(owner, conversation_id)
        listed = home.key(keys.SHARES, f"{owner}:{conversation_id}")
        now = int(time.time() * 1000)
        found = await self._broker.call("share", home, "ZRANGEBYSCORE", listed, now, "+inf")
        return [msgspec.json.decode(raw, type=Share) for raw in found]

    async def revoke(self, owner: str, conversation_id: str, share_id: str) -> bool:
        """End a link now; False where the conversation has none of that id."""
        for share in await self.of(owner, conversation_id):
            if share.id == share_id:
                cell = self._broker.cells.of_tenant(share_id)
                await self._broker.call("share", cell, "DEL", cell.key(keys.SHARE, share_id))
                home = self._broker.cells.of_conversation(owner, conversation_id)
                listed = home.key(keys.SHARES, f"{owner}:{conversation_id}")
                await self._broker.call("share", home, "ZREM", listed, msgspec.json.encode(share))
                return True
        return False

    async def find(self, share_id: str, secret: str) -> Shared | None:
        """What a link leads to, whose secret that is; None for any other."""
        cell = self._broker.cells.of_tenant(share_id)
        raw = await self._broker.call("share", cell, "GET", cell.key(keys.SHARE, share_id))
        if raw is None:
            return None
        shared = msgspec.json.decode(raw, type=Shared)
        return shared if hmac.compare_digest(shared.seal, _seal(secret)) else None


def _seal(secret: str) -> str:
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()
