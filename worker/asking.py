"""One request to one upstream: its time limits, its deltas on their way, and what it came to."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import cast

from shared import metrics, tracing
from shared.events import Event, Picture, Reasoning, Text, ToolCall, Usage
from shared.failures import (
    BetweenTokensTimeout,
    FirstTokenTimeout,
    GenerationFailed,
    TotalTimeout,
    UpstreamBroke,
    UpstreamError,
)
from worker import traces
from worker.appender import LogWriter
from worker.backends import Delta, Finished, Prompt
from worker.backends.pictures import NewPicture
from worker.deadline import Deadline
from worker.prompt import prompt_tokens
from worker.running import Running
from worker.upstreams import Upstream

#: A delta whose bytes are stored, if it has any.
_Kept = Text | Reasoning | ToolCall | Picture | Finished


class Asking:
    """`run` it once; it closes the upstream's connection however it ends."""

    def __init__(
        self,
        upstream: Upstream,
        prompt: Prompt,
        running: Running,
        *,
        patience_s: float,
        begins: Callable[["Asking"], bool],
        put: Callable[[Event], None],
        store: Callable[[NewPicture], Awaitable[Picture]],
        spent: Callable[[], int],
    ) -> None:
        """
        *patience_s* is for the first delta. *begins* hears of that before it is *put*, and says whether it is
        wanted. *store* keeps a picture's bytes. *spent* counts the tokens that were put.
        """
        self.upstream = upstream
        self.prompt = prompt
        self._running = running
        self._patience_s = patience_s
        self._begins = begins
        self._put = put
        self._store = store
        self._spent = spent
        self._spent_before = 0
        self._unwanted = False
        self._overdue: UpstreamError | None = None
        #: What runs it.
        self.task: asyncio.Task[None] | None = None
        #: What was written is void once it speaks.
        self.starts_over = False
        #: Whether it has said anything that was wanted.
        self.spoke = False
        self.finished: Finished | None = None
        #: Our own count of what was asked.
        self.prompt_tokens = prompt_tokens(prompt)

    @property
    def billed(self) -> Usage | None:
        """What it was paid for: the upstream's count, or ours; None where it has said nothing."""
        if not self.spoke:
            return None
        reported = self.finished.usage if self.finished else None
        if reported is not None and not reported.estimated:
            return reported
        prompt = (reported.prompt_tokens if reported else 0) or self.prompt_tokens
        completion = (reported.completion_tokens if reported else 0) or self._spent() - self._spent_before
        return Usage(prompt, completion, prompt + completion, estimated=True)

    async def run(self, writer: LogWriter, most_waiting: int) -> None:
        """Carry all of the answer to *writer*. Raises `UpstreamError` where it is none, or is broken off."""
        if (spans := tracing.spans) is None:
            await self._run(writer, most_waiting)
            return
        generation, put = self._running.claim.generation, self._put
        asked = traces.Asked(self.upstream, self.prompt, generation, told=spans.content)
        self._put = asked.hearing(put)
        with spans.upstream(asked.model, asked.facts()):
            try:
                await self._run(writer, most_waiting)
            except UpstreamError as error:
                spans.failed(error.code)
                raise
            finally:
                spans.tell(asked.answered(self.finished, self.billed))

    async def _run(self, writer: LogWriter, most_waiting: int) -> None:
        asked_at = asyncio.get_running_loop().time()
        self.task = asyncio.current_task()
        try:
            try:
                await self._pump(writer, most_waiting)
            except asyncio.CancelledError:
                if self._overdue is None or self.task is None or self.task.uncancel() > 0:
                    raise
                raise self._overdue from None
            if self.finished is None and not self._unwanted:
                raise UpstreamBroke
        except UpstreamError as error:
            self.upstream.failed(error)
            raise
        except asyncio.CancelledError:
            self.upstream.closed()
            raise
        if self._unwanted:
            self.upstream.closed()
        else:
            self.upstream.succeeded(asked_at)

    async def _pump(self, writer: LogWriter, most_waiting: int) -> None:
        name, loop = self.upstream.entry, asyncio.get_running_loop()
        ttft = metrics.upstream_ttft.labels(name)
        inter_token = metrics.inter_token.labels(name)
        last = loop.time()

        def carry(deltas: Sequence[_Kept]) -> None:
            nonlocal last
            now = loop.time()
            if not deltas:
                deadline.alive(now)
                return
            deadline.touch(now)
            if self.spoke:
                inter_token.observe(now - last)
            elif self._begins(self):
                self.spoke, self._spent_before = True, self._spent()
                ttft.observe(now - last)
            else:
                self._unwanted = True
                return
            last = now
            for delta in deltas:
                if isinstance(delta, Finished):
                    self.finished = delta
                else:
                    self._put(delta)

        def take(deltas: Sequence[Delta]) -> bool:
            """The fast way, where the deltas arrive: once it is the answer, and while the log keeps up."""
            if not self.spoke or writer.unacknowledged > most_waiting:
                return False
            carry(cast("Sequence[_Kept]", deltas))
            return True

        with self._deadline() as deadline:
            async with aclosing(self.upstream.backend.stream(self.prompt, take)) as stream:
                async for deltas in stream:
                    # What is taken where it arrives has no pictures.
                    carry(await self._with_pictures(deltas, deadline))
                    if self._unwanted:
                        return
                    if writer.unacknowledged > most_waiting:
                        deadline.touch(math.inf)
                        await writer.durable(most_waiting // 2)
                        deadline.touch(loop.time())

    async def _with_pictures(self, deltas: Sequence[Delta], deadline: Deadline) -> Sequence[_Kept]:
        """*deltas*, their pictures stored."""
        kept: list[_Kept] = []
        for delta in deltas:
            if isinstance(delta, NewPicture):
                # Its storing is no silence of the upstream's.
                deadline.touch(math.inf)
                kept.append(await self._store(delta))
                deadline.touch(asyncio.get_running_loop().time())
            else:
                kept.append(delta)
        return kept

    def _deadline(self) -> Deadline:
        m = self.upstream.model
        return Deadline(
            self._expire,
            first=(self._patience_s, FirstTokenTimeout()),
            between=(m.between_tokens_timeout_s, BetweenTokensTimeout()),
            total=(m.total_timeout_s - self._running.elapsed_s, TotalTimeout()),
            silence_s=m.silence,
        )

    def _expire(self, error: GenerationFailed) -> None:
        if not isinstance(error, UpstreamError):
            self._running.interrupt(error)
        elif self.task is not None and self._overdue is None:
            self._overdue = error
            self.task.cancel()
