"""Random faults under load, and the account of every generation afterwards."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from deploy.up.cluster import CannotForm
from shared import keys
from tests.chaos.clients import HUNG_UP
from tests.chaos.faults import FAULTS, PASSING, Fault
from tests.chaos.follower import Follower
from tests.chaos.stage import Stage
from tests.chaos.verdict import faults_of
from tests.kit import invariants
from tests.kit.chat_client import script
from tests.kit.eventually import eventually

#: No reader may take longer than this for an answer of a few seconds.
_HUNG_AFTER_S = 120.0
_FAULTS_AT_A_TIME = 4
#: What clients that hung up have asked for may still run when the last reader has its end.
_ENDS_WITHIN_S = 30.0


def _hung_up(redis: Any, generation_id: str) -> bool:
    """Whether a client asked for it that never learned its id."""
    conversation = redis.hget(keys.RECORD + generation_id, "conversation") or b""
    return bool(conversation.decode().startswith(HUNG_UP))


class Account(msgspec.Struct):
    """What a storm has done, and what came of it."""

    seed: int
    seconds: float
    faults: Counter[str]
    outcomes: Counter[str]
    generations: int = 0
    events: int = 0
    resets: int = 0
    breaks: int = 0
    refusals: int = 0
    taken_over: int = 0
    #: Sorted: for each generation the longest time between two chunks, in seconds.
    silences: list[float] = []
    wrong: list[str] = []


class Storm:
    """*streams* readers at a time, each of a generation of a few seconds, until *seconds* are over."""

    def __init__(self, seed: int, seconds: float, streams: int, faults: Mapping[str, Fault] = FAULTS) -> None:
        self._faults = faults
        self._dice = random.Random(seed)
        self._seconds = seconds
        self._streams = streams
        self._readers: list[tuple[Follower, dict[str, Any]]] = []
        self._hung = 0
        self.account = Account(seed, seconds, Counter(), Counter())

    async def run(self, stage: Stage) -> Account:
        """Break *stage* at random; nothing may be wrong in the account."""
        self._stage = stage
        began = time.monotonic()
        until = began + self._seconds
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            seeds = [self._dice.randrange(2**32) for _ in range(self._streams)]
            readers = [asyncio.create_task(self._read(session, random.Random(s), until)) for s in seeds]
            await self._break(until)
            await asyncio.gather(*readers)
        self.account.seconds = time.monotonic() - began
        redis = stage.stack.redis
        with suppress(AssertionError):  # `_settle` names those that do not
            await eventually(lambda: not invariants.not_ended(redis), "all end", _ENDS_WITHIN_S)
        self._settle()
        self.account.wrong += await stage.end()
        return self.account

    async def _break(self, until: float) -> None:
        faults: set[asyncio.Task[None]] = set()
        while time.monotonic() < until:
            name = self._dice.choice(list(self._faults))
            faults.add(asyncio.create_task(self._fault(name, random.Random(self._dice.randrange(2**32)))))
            await asyncio.sleep(self._dice.uniform(0.3, 2.5))
            # Those of the broker go one after another: without a bound they would queue up past the end.
            while len(faults) >= _FAULTS_AT_A_TIME:
                over, faults = await asyncio.wait(faults, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(*over)
        await asyncio.gather(*faults)

    async def _fault(self, name: str, dice: random.Random) -> None:
        try:
            self.account.faults[name] += await self._faults[name](self._stage, dice)
        except PASSING:
            self.account.faults[name] += 1
        except (AssertionError, CannotForm) as failed:
            self.account.wrong.append(f"{name}: {failed!r}")

    async def _read(self, session: ClientSession, dice: random.Random, until: float) -> None:
        while time.monotonic() < until:
            options: dict[str, Any] = {
                "length": dice.randrange(10, 150),
                "rate": 25,
                "seed": dice.randrange(10**6),
            }
            body = {"message": script(**options), "model": dice.choice(["scripted", "plain"])}
            if dice.random() < 0.3:
                body["conversation_id"] = f"c{dice.randrange(10**9)}"
            follower = Follower(session, partial(self._gateways, dice.random()), body)
            self._readers.append((follower, options))
            following = asyncio.create_task(follower.follow())
            if dice.random() < 0.15:
                await self._cancel(session, follower, dice.randrange(20), following)
            _, late = await asyncio.wait({following}, timeout=_HUNG_AFTER_S)
            if late:
                self._hung += 1
                following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _cancel(
        self, session: ClientSession, follower: Follower, chunks: int, following: "asyncio.Task[None]"
    ) -> None:
        until = time.monotonic() + _HUNG_AFTER_S
        while len(follower.ids) < chunks + 1:
            done, _ = await asyncio.wait({following}, timeout=0.05)
            if done or time.monotonic() > until:
                return
        for _ in range(100):
            for url in self._gateways(0.5):
                try:
                    address = f"{url}/api/chat/{follower.generation_id}/cancel"
                    async with session.post(address, timeout=ClientTimeout(total=10)) as response:
                        if response.status == 200:
                            return
                except (ClientError, OSError, TimeoutError):
                    pass
            await asyncio.sleep(0.1)

    def _gateways(self, first: float) -> list[str]:
        urls = [gateway.url for gateway in self._stage.stack.gateways]
        at = int(first * len(urls))
        return urls[at:] + urls[:at]

    def _settle(self) -> None:
        account, redis = self.account, self._stage.stack.redis
        ours = {follower.generation_id for follower, _ in self._readers}
        for follower, options in self._readers:
            account.wrong += faults_of(follower, redis, options)
            if not follower.terminals:
                continue
            account.outcomes[follower.code] += 1
            account.events += len(follower.ids)
            account.resets += follower.resets
            account.breaks += follower.breaks
            account.refusals += len(follower.refusals)
            account.taken_over += not follower.ids[-1].startswith("1-")
            times = follower.chunk_times
            account.silences.append(max((b - a for a, b in pairwise(times)), default=0.0))
        account.silences.sort()
        account.generations = len(self._readers)
        if self._hung:
            account.wrong.append(f"{self._hung} readers hung")
        account.wrong += [
            f"{g}: nobody asked for it"
            for g in set(invariants.generations(redis)) - ours
            if not _hung_up(redis, g)
        ]
        account.wrong += [f"{g}: never ended" for g in invariants.not_ended(redis)]
        account.wrong += invariants.badly_ended(redis)
        account.wrong += [f"no TTL: {key}" for key in invariants.keys_without_ttl(redis)]
