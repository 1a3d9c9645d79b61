"""
What one attempt gets from its backend: asks, keeps time, tries again where that makes sense, and carries
every delta to the log.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from contextlib import aclosing

import msgspec
import structlog

from shared import events, metrics
from shared.errors import BrokerUnavailable
from shared.events import Reasoning, Reset, Text, now_ms
from shared.failures import (
    BetweenTokensTimeout,
    FirstTokenTimeout,
    LogTooLarge,
    TotalTimeout,
    UpstreamBroke,
    UpstreamError,
    WorkerLost,
)
from shared.generation import Request
from shared.messages import count_tokens
from shared.outcome import Outcome
from worker.appender import LogWriter
from worker.backends import Delta, Finished, Prompt
from worker.deadline import Deadline
from worker.prompt import prompt_of, prompt_tokens
from worker.running import Running
from worker.state import Tools

logger = structlog.get_logger("worker.producer")

#: Upstream requests for one attempt, and the pause before the next: doubled, with full jitter. All fit into
#: the two seconds that a streamed answer's status waits for.
_MAX_UPSTREAM_TRIES = 3
_BACKOFF_S = 0.25
#: A server that asks for a longer pause has failed for this generation.
_MAX_RETRY_AFTER_S = 20.0


class Producer:
    """Writes the answer of one attempt, up to but without its terminal event."""

    def __init__(self, tools: Tools, running: Running) -> None:
        self._tools = tools
        self._running = running
        self._generation = running.claim.generation
        self._model = tools.models.by_name[self._generation.model]
        #: All that is in the log, earlier attempts' events included.
        self.outcome = Outcome()
        self._request = msgspec.json.decode(self._generation.request, type=Request)
        self._prompt_tokens = 0
        self._finished: Finished | None = None
        #: Tokens of the text that the last upstream request went on from.
        self._continued_tokens = 0

    async def run(self, writer: LogWriter, *, first: bool) -> Finished:
        """
        Generate after what *writer*'s log has already; gives the model's last word.

        Raises `GenerationFailed` with the cause, or whatever interrupts the generation.
        """
        self._start_over_unless_continued(writer, "first" if first else None, WorkerLost.code)
        request = self._request
        tries = 0
        while True:
            tries += 1
            prompt = await self._prompt(request)
            try:
                pump = asyncio.create_task(self._pump(prompt, writer))
                await self._running.interruptible(pump)
            except UpstreamError as error:
                pause_s = self._pause_s(error, tries)
                if pause_s is None:
                    raise
                logger.info("upstream failed, trying again", code=error.code, pause_s=round(pause_s, 2))
                metrics.upstream_retries.labels(self._generation.model).inc()
                await self._running.interruptible(asyncio.create_task(asyncio.sleep(pause_s)))
                self._start_over_unless_continued(writer, None, error.code)
            else:
                if self._finished is None:
                    raise UpstreamBroke
                if self._finished.finish_reason == "unknown":
                    metrics.ends_unsaid.labels(self._generation.model).inc()
                    logger.warning("the model server ended without a reason", model=self._generation.model)
                return self._finished

    def usage(self) -> events.Usage:
        """What it cost so far: the upstream's count, or ours."""
        reported = self._finished.usage if self._finished else None
        if reported is None:
            return self.outcome.usage(self._prompt_tokens)
        if self._continued_tokens:
            # The upstream has counted the rest alone, and what was there already as prompt.
            completion = reported.completion_tokens + self._continued_tokens
            return self._estimated(reported, self._prompt_tokens, completion)
        if reported.estimated:
            prompt = reported.prompt_tokens or self._prompt_tokens
            return self._estimated(reported, prompt, reported.completion_tokens or self.outcome.tokens)
        return reported

    def _estimated(self, reported: events.Usage, prompt: int, completion: int) -> events.Usage:
        return msgspec.structs.replace(
            reported,
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            estimated=True,
        )

    def _pause_s(self, error: UpstreamError, tries: int) -> float | None:
        """How long to wait before trying again; None where that makes no sense."""
        if tries >= _MAX_UPSTREAM_TRIES or not error.retryable:
            return None
        # Whoever waits has waited long enough: a model that thinks so long does so each time.
        if isinstance(error, FirstTokenTimeout):
            return None
        # Past the first token only a broken connection is worth a new start.
        if self.outcome.begun and not isinstance(error, UpstreamBroke):
            return None
        if error.retry_after_s is None:
            return random.uniform(0, _BACKOFF_S * 2**tries)
        if error.retry_after_s > _MAX_RETRY_AFTER_S:
            return None
        return error.retry_after_s + random.uniform(0, _BACKOFF_S)

    def _start_over_unless_continued(self, writer: LogWriter, kind: str | None, why: str) -> None:
        """
        Before another upstream request: void what was written, unless the model can go on from it.

        *why* is the code of what broke the last one off.
        """
        if kind is None and self.outcome.begun:
            kind = "continued" if self._prefix() else "reset"
            if kind == "reset":
                self._put(writer, Reset(ts=now_ms(), reason=why))
        metrics.attempts.labels(self._generation.model, kind or "first").inc()
        self._give(writer)

    def _give(self, writer: LogWriter) -> None:
        """What the reply has that this one continues stands first in the log, and again after a reset."""
        given = self._request.continued
        if given is None or self.outcome.given:
            return
        now = now_ms()
        if given.reasoning and not self.outcome.reasoned:
            # As long before the text as it took: so it takes that long for whoever reads the log.
            self._put(writer, Reasoning(now - (given.reasoning_ms or 0), given.reasoning, 0, given=True))
        self._put(writer, Text(now, given.text, 0, given=True))

    def _prefix(self) -> str:
        return self.outcome.text if self._model.can_continue and not self.outcome.tool_calls else ""

    async def _prompt(self, request: Request) -> Prompt:
        while True:
            try:
                prompt = await prompt_of(
                    self._generation, request, self._model, self._tools.conversations, self._prefix()
                )
            except BrokerUnavailable:
                await self._running.interruptible(asyncio.create_task(asyncio.sleep(_BACKOFF_S)))
            else:
                given = request.continued
                self._prompt_tokens = prompt_tokens(prompt) + (count_tokens(given.text) if given else 0)
                self._continued_tokens = self.outcome.tokens if prompt.prefix else 0
                return prompt

    async def _pump(self, prompt: Prompt, writer: LogWriter) -> None:
        """Carry deltas from the backend to the log until it has finished."""
        name, loop = self._generation.model, asyncio.get_running_loop()
        ttft = metrics.upstream_ttft.labels(name)
        inter_token = metrics.inter_token.labels(name)
        most_waiting = self._tools.settings.max_unacknowledged_events
        last, waiting_for_first = loop.time(), True

        def carry(deltas: Sequence[Delta]) -> None:
            nonlocal last, waiting_for_first
            now = loop.time()
            if not deltas:
                deadline.alive(now)
                return
            deadline.touch(now)
            (ttft if waiting_for_first else inter_token).observe(now - last)
            last, waiting_for_first = now, False
            for delta in deltas:
                if isinstance(delta, Finished):
                    self._finished = delta
                else:
                    self._put(writer, delta)

        def take(deltas: Sequence[Delta]) -> bool:
            """The fast way, where the deltas arrive: while the log keeps up."""
            if writer.unacknowledged > most_waiting:
                return False
            carry(deltas)
            return True

        with self._deadline() as deadline:
            async with aclosing(self._tools.backends[name].stream(prompt, take)) as stream:
                async for deltas in stream:
                    carry(deltas)
                    if writer.unacknowledged > most_waiting:
                        deadline.touch(math.inf)
                        await writer.durable(most_waiting // 2)
                        deadline.touch(loop.time())

    def _deadline(self) -> Deadline:
        m = self._model
        return Deadline(
            self._running.interrupt,
            first=(m.first_token_timeout_s, FirstTokenTimeout()),
            between=(m.between_tokens_timeout_s, BetweenTokensTimeout()),
            total=(m.total_timeout_s - self._running.elapsed_s, TotalTimeout()),
            silence_s=m.silence,
        )

    def _put(self, writer: LogWriter, event: events.Event) -> None:
        if writer.bytes > self._tools.settings.max_log_bytes:
            raise LogTooLarge()
        # In this order: what cannot be written must not be in what the end records either.
        writer.put(event)
        self.outcome.add(event)
