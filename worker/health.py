"""
What workers tell each other of their upstreams' health: a key in the broker for each that is left alone.

While the key is there, nobody asks that server. Its time to live is the cool-down; whoever then puts its own
word into its place first tries the server out, with a question of our own, and tells the others. A broker
that is away costs nothing but their word: each worker then goes by what it sees itself.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

import structlog

from shared import keys
from shared.broker import Broker
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.failures import FirstTokenTimeout, UpstreamError
from worker.backends import Prompt
from worker.breaker import is_of_the_request
from worker.upstreams import Upstream, Upstreams

logger = structlog.get_logger("worker.health")

#: How often workers look at what others say.
_LOOK_S = 0.5
#: How long the others have to hear that one is well again.
_WELL_MS = 3_000
_WELL = b"well"
_TRYING = b"trying"

_QUESTION = Prompt(messages=[{"role": "user", "content": "Hi"}], max_tokens=1)


class Health:
    """Of all upstreams that have others beside them; `run` is its task."""

    def __init__(self, broker: Broker, upstreams: Upstreams) -> None:
        self._broker = broker
        self._cell = broker.cells.home
        self._shared = [upstream for upstream in upstreams if not upstream.alone]
        #: What the others know of each, for they have said it or were told; what they were not is told later.
        self._was_closed = dict.fromkeys(self._shared, True)
        self._trying: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow and tell, for ever."""
        if not self._shared:
            await asyncio.get_running_loop().create_future()
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._pause_s())
        finally:
            for task in self._trying:
                task.cancel()
            await asyncio.gather(*self._trying, return_exceptions=True)

    def _pause_s(self) -> float:
        """Until the next look: a cool-down that is over sooner is not overslept."""
        now = asyncio.get_running_loop().time()
        due = [it.breaker.until for it in self._shared if it.breaker.until is not None]
        return min([_LOOK_S, *(max(0.01, until - now) for until in due if until > now)])

    async def _look(self) -> None:
        try:
            await self._tell()
            said = await self._said()
        except (BrokerUnavailable, BrokerRefused):
            said = [None] * len(self._shared)
        for upstream, word in zip(self._shared, said, strict=True):
            breaker = upstream.breaker
            if word is not None:
                if word == _WELL:
                    breaker.close()
                elif breaker.closed:
                    breaker.open(word.decode(errors="replace"), 0)
                self._was_closed[upstream] = breaker.closed
            elif breaker.due and await self._first(upstream):
                breaker.half_open = True
                task = asyncio.create_task(self._try_out(upstream))
                self._trying.add(task)
                task.add_done_callback(self._trying.discard)

    async def _tell(self) -> None:
        """What this process has found out and nobody was told yet."""
        now = asyncio.get_running_loop().time()
        for upstream in self._shared:
            breaker, was_closed = upstream.breaker, self._was_closed[upstream]
            if was_closed and breaker.until is not None:
                await self._say(upstream, breaker.why.encode(), int((breaker.until - now) * 1000))
            elif not was_closed and breaker.closed:
                await self._say(upstream, _WELL, _WELL_MS)
            else:
                continue
            self._was_closed[upstream] = not was_closed

    async def _said(self) -> Sequence[bytes | None]:
        gets = [("GET", self._key(upstream)) for upstream in self._shared]
        return await self._broker.pipe("upstreams", self._cell, gets)

    def _key(self, upstream: Upstream) -> str:
        return self._cell.key(keys.UPSTREAM, upstream.key)

    async def _say(self, upstream: Upstream, word: bytes, for_ms: int) -> None:
        await self._broker.call(
            "upstreams", self._cell, "SET", self._key(upstream), word, "PX", max(1, for_ms)
        )

    async def _first(self, upstream: Upstream) -> bool:
        """Whether it is for this process to try *upstream* out."""
        most_ms = int(upstream.model.first_token_timeout_s * 1000) + _WELL_MS
        try:
            command = ("SET", self._key(upstream), _TRYING, "PX", most_ms, "NX")
            return bool(await self._broker.call("upstreams", self._cell, *command))
        except (BrokerUnavailable, BrokerRefused):
            return True

    async def _try_out(self, upstream: Upstream) -> None:
        breaker = upstream.breaker
        try:
            await ask_little(upstream)
        except UpstreamError as error:
            breaker.open(error.code)
        except Exception:  # a defect of ours must not leave the upstream half open for ever
            logger.exception("an upstream cannot be tried out", upstream=upstream.name)
            breaker.open("internal")
        else:
            breaker.close()
        with suppress(BrokerUnavailable, BrokerRefused):
            if breaker.until is None:
                await self._say(upstream, _WELL, _WELL_MS)
            else:
                left_s = breaker.until - asyncio.get_running_loop().time()
                await self._say(upstream, breaker.why.encode(), int(left_s * 1000))


async def ask_little(upstream: Upstream) -> None:
    """Ask *upstream* for one token. Raises `UpstreamError` where it is not well."""
    question = _QUESTION
    if upstream.last_asked:
        question = Prompt(messages=question.messages, max_tokens=1, model=upstream.last_asked)
    try:
        async with asyncio.timeout(upstream.model.first_token_timeout_s):
            async with aclosing(upstream.backend.stream(question)) as stream:
                async for deltas in stream:
                    if deltas:
                        return
    except TimeoutError as error:
        raise FirstTokenTimeout from error
    except UpstreamError as error:
        if not is_of_the_request(error):
            raise
