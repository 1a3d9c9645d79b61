"""
The deployment's secret: what seals keys and signs tokens, derived for each purpose by itself.

`HEADRACE_SECRET` has it, the newest first; older ones are still understood. Where it is not set, one is made
once and kept in the broker, so that all processes agree: who can read the broker then knows it.
"""

import hashlib
import hmac
import secrets
from typing import Literal

from shared import keys
from shared.broker import Broker
from shared.lifetimes import FOREVER_S

Purpose = Literal["key", "stream", "session", "invitation"]


class Sealing:
    """Seals with the newest secret, and understands the older ones."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._secrets: list[bytes] = [secret.encode() for secret in broker.settings.secrets]

    async def derived(self, purpose: Purpose) -> list[bytes]:
        """Keys of 32 bytes for *purpose*, the newest first. Raises `BrokerUnavailable`."""
        if not self._secrets:
            self._secrets = [await self._kept()]
        return [hmac.digest(secret, f"headrace {purpose}".encode(), "sha256") for secret in self._secrets]

    async def seal(self, purpose: Purpose, text: str) -> str:
        """What *text* is kept as."""
        return _sealed((await self.derived(purpose))[0], text)

    async def opens(self, purpose: Purpose, text: str, seals: list[str]) -> bool:
        """Whether *text* is what one of *seals* was made of; takes as long for any."""
        made = [_sealed(key, text) for key in await self.derived(purpose)]
        # As bytes: who sends a seal may have put anything into it.
        given = [seal.encode(errors="surrogatepass") for seal in seals]
        matched = [hmac.compare_digest(one.encode(), seal) for one in made for seal in given]
        return any(matched)

    async def _kept(self) -> bytes:
        home = self._broker.cells.home
        key = home.key(keys.SECRET)
        commands = [("SET", key, secrets.token_bytes(32), "NX", "EX", FOREVER_S), ("GET", key)]
        _, kept = await self._broker.pipe("secret", home, commands)
        return bytes(kept)


def _sealed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
