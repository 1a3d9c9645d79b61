"""Many readers of many generations at once, and what they went through."""

import asyncio
import os
from functools import partial
from typing import Any

from aiohttp import ClientSession

from tests.chaos.follower import Follower
from tests.chaos.verdict import faults_of
from tests.kit.chat_client import script
from tests.kit.stack import Stack

#: What timing tests run; `CHAOS_STREAMS=200` gives the figures of shared/PROTOCOL.md.
STREAMS = int(os.environ.get("CHAOS_STREAMS", "50"))


class Crowd:
    """*size* generations of the same length and rate, each of another text, each with its reader."""

    def __init__(
        self,
        session: ClientSession,
        stack: Stack,
        size: int,
        *,
        models: tuple[str, ...] = ("scripted", "plain"),
        **options: Any,
    ) -> None:
        self._stack = stack
        self.options = [{**options, "seed": seed} for seed in range(size)]
        self.followers = [
            Follower(
                session,
                partial(self._gateways, i),
                {"message": script(**wanted), "model": models[i % len(models)]},
            )
            for i, wanted in enumerate(self.options)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, chunks: int = 3) -> None:
        """Returns once every reader has some chunks."""
        self._tasks = list(await asyncio.gather(*(f.begin(chunks) for f in self.followers)))

    async def end(self, timeout_s: float = 40) -> None:
        """Every reader comes to its end, and all that it read is right."""
        _, hung = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        wrong = [f"{len(hung)} readers hang"] if hung else []
        for follower, options in zip(self.followers, self.options, strict=True):
            wrong += faults_of(follower, self._stack.redis, options)
        assert not wrong, "\n".join(wrong[:10])
        for task in self._tasks:
            task.result()

    def goes_on(self, since: float) -> bool:
        """Whether every reader has had a chunk since then."""
        return all(follower.longest_silence(since) for follower in self.followers)

    def ended_well(self) -> bool:
        """Whether every answer is whole."""
        return all(f.terminals[0]["type"] == "end" for f in self.followers)

    def silences(self, since: float) -> list[float]:
        """For each reader that was still to get chunks: seconds from *since* to the next, sorted."""
        return sorted(s for f in self.followers if (s := f.longest_silence(since)))

    def delays(self) -> list[float]:
        """Of all chunks, sorted."""
        return sorted(delay for follower in self.followers for delay in follower.delays)

    def _gateways(self, first: int) -> list[str]:
        urls = [gateway.url for gateway in self._stack.gateways]
        return urls[first % len(urls) :] + urls[: first % len(urls)]


def p99(values: list[float]) -> float:
    """The 99th percentile of sorted *values*."""
    return values[min(len(values) - 1, int(len(values) * 0.99))]
