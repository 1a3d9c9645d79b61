"""
The job: conversation -> backend -> event log -> end.

Whatever happens, the log ends with one durable terminal event, or the generation is handed on to
another worker; never both, never neither.
"""

import asyncio
import math
import random
from contextlib import aclosing
from typing import Any

import msgspec
import structlog

from shared import events, metrics
from shared.conversations import Conversations
from shared.errors import (
    AttemptsExhausted,
    BetweenTokensTimeout,
    BrokerUnavailable,
    FirstTokenTimeout,
    GenerationFailed,
    InternalFailure,
    LogTooLarge,
    TotalTimeout,
    UpstreamBroke,
    UpstreamError,
)
from shared.event_log import EventLog
from shared.events import End, Error, Reset, Start, Terminal, now_ms
from shared.generations import Request
from shared.models import Model, Models
from shared.outcome import Outcome
from shared.queue import Claim, Queue
from shared.settings import Settings
from worker.appender import Appender, LogWriter
from worker.backends import Backend, Finished, Prompt
from worker.deadline import Deadline
from worker.prompt import prompt_of, prompt_tokens
from worker.running import Fenced, Registry, Running, Stopped

logger = structlog.get_logger("worker.generate")

#: Upstream requests for one attempt, and the pause before the next: doubled, with full jitter.
_MAX_UPSTREAM_TRIES = 3
_BACKOFF_S = 0.5
#: A server that asks for a longer pause has failed for this generation.
_MAX_RETRY_AFTER_S = 20.0


class Tools(msgspec.Struct):
    """What a job works with: everything its process shares."""

    settings: Settings
    models: Models
    backends: dict[str, Backend]
    log: EventLog
    conversations: Conversations
    queue: Queue
    appender: Appender
    registry: Registry


class Attempt:
    """One worker's turn at a generation."""

    def __init__(self, tools: Tools, claim: Claim) -> None:
        self._tools = tools
        self._claim = claim
        self._generation = claim.generation
        self._model: Model = tools.models.by_name[claim.generation.model]
        self._running = Running(claim)
        #: Registered before anything is awaited, so that no cancel can slip by.
        tools.registry.add(self._running)
        self._outcome = Outcome()
        self._prompt_tokens = 0
        self._finished: Finished | None = None
        #: Tokens of the text that the last upstream request went on from.
        self._continued_tokens = 0
        self._writer: LogWriter

    async def run(self) -> None:
        """
        Generate to the end. Raises `Fenced` when another attempt took over, and `CancelledError`
        after handing the job back when this process drains.
        """
        registry = self._tools.registry
        metrics.generations_running.labels(self._generation.model).inc()
        try:
            terminal = await self._terminal()
            await self._end(terminal)
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back())
            raise
        finally:
            metrics.generations_running.labels(self._generation.model).dec()
            registry.remove(self._running)

    async def _terminal(self) -> Terminal:
        """Produce all events up to the terminal one, and give that."""
        try:
            await self._open()
            await self._produce()
        except Stopped as stopped:
            metrics.cancels.labels(stopped.reason).inc()
            metrics.cancel_latency.observe(asyncio.get_running_loop().time() - stopped.at)
            return End(ts=now_ms(), finish_reason="cancelled", usage=self._usage(), reason=stopped.reason)
        except Fenced:
            raise
        except GenerationFailed as error:
            return self._error(error)
        except Exception:  # a defect of ours must end this log, not the worker
            if self._running.writer is None:
                raise
            logger.exception("generation failed", generation=self._generation.id)
            return self._error(InternalFailure())
        if self._finished is None:
            return self._error(UpstreamBroke())
        return End(ts=now_ms(), finish_reason=self._finished.finish_reason, usage=self._usage())

    async def _open(self) -> None:
        """Take over the log: what earlier attempts wrote is kept where the model can go on from it."""
        log = await self._read_log()
        self._writer = self._running.writer = LogWriter(
            self._tools.appender,
            self._claim,
            log,
            on_fenced=self._running.fence,
            on_missing=self._tools.registry.look_at_once,
        )
        for entry in log:
            self._outcome.add(events.decode(entry.event))
        if not log:
            self._writer.put(Start(ts=now_ms(), model=self._generation.model))
        if self._generation.lost >= self._tools.settings.max_attempts:
            metrics.attempts.labels(self._generation.model, "exhausted").inc()
            raise AttemptsExhausted()
        if self._generation.cancel is not None:
            raise Stopped(self._generation.cancel, asyncio.get_running_loop().time())
        self._start_over_unless_continued("first" if not log else None)

    async def _read_log(self) -> list[Any]:
        while self._claim.log_length:
            try:
                return await self._tools.log.read_all(self._generation.id)
            except BrokerUnavailable:
                await asyncio.sleep(_BACKOFF_S)
        return []

    def _start_over_unless_continued(self, kind: str | None) -> None:
        """Before another upstream request: void what was written, unless the model can go on from it."""
        if kind is None and self._outcome.begun:
            kind = "continued" if self._prefix() else "reset"
            if kind == "reset":
                self._put(Reset(ts=now_ms()))
        metrics.attempts.labels(self._generation.model, kind or "first").inc()

    def _prefix(self) -> str:
        return self._outcome.text if self._model.can_continue and not self._outcome.tool_calls else ""

    async def _produce(self) -> None:
        request = msgspec.json.decode(self._generation.request, type=Request)
        tries = 0
        while True:
            tries += 1
            prompt = await self._prompt(request)
            try:
                return await self._running.interruptible(asyncio.create_task(self._pump(prompt)))
            except UpstreamError as error:
                if tries >= _MAX_UPSTREAM_TRIES or not error.retryable:
                    raise
                # Past the first token only a broken connection is worth a new start.
                if self._outcome.begun and not isinstance(error, UpstreamBroke):
                    raise
                pause = random.uniform(0, _BACKOFF_S * 2**tries)
                if error.retry_after_s is not None:
                    if error.retry_after_s > _MAX_RETRY_AFTER_S:
                        raise
                    pause = error.retry_after_s + random.uniform(0, _BACKOFF_S)
                logger.info("upstream failed, trying again", code=error.code, pause_s=round(pause, 2))
                metrics.upstream_retries.labels(self._generation.model).inc()
                await self._running.interruptible(asyncio.create_task(asyncio.sleep(pause)))
                self._start_over_unless_continued(None)

    async def _prompt(self, request: Request) -> Prompt:
        while True:
            try:
                prompt = await prompt_of(
                    self._generation, request, self._model, self._tools.conversations, self._prefix()
                )
            except BrokerUnavailable:
                await self._running.interruptible(asyncio.create_task(asyncio.sleep(_BACKOFF_S)))
            else:
                self._prompt_tokens = prompt_tokens(prompt)
                self._continued_tokens = self._outcome.tokens if prompt.prefix else 0
                return prompt

    async def _pump(self, prompt: Prompt) -> None:
        """Carry deltas from the backend to the log until it has finished."""
        name, writer, loop = self._generation.model, self._writer, asyncio.get_running_loop()
        inter_token = metrics.inter_token.labels(name)
        most_waiting = self._tools.settings.max_unacknowledged_events
        began = last = loop.time()
        waiting_for_first = True
        with self._deadline() as deadline:
            async with aclosing(self._tools.backends[name].stream(prompt)) as stream:
                async for deltas in stream:
                    now = loop.time()
                    deadline.touch(now)
                    if waiting_for_first:
                        waiting_for_first = False
                        metrics.upstream_ttft.labels(name).observe(now - began)
                    else:
                        inter_token.observe(now - last)
                    last = now
                    for delta in deltas:
                        if isinstance(delta, Finished):
                            self._finished = delta
                        else:
                            self._put(delta)
                    if writer.unacknowledged > most_waiting:
                        deadline.touch(math.inf)
                        await writer.durable(most_waiting // 2)
                        deadline.touch(loop.time())
        if self._finished is None:
            raise UpstreamBroke

    def _deadline(self) -> Deadline:
        m = self._model
        started = self._generation.started_ms or now_ms()
        return Deadline(
            self._running.interrupt,
            first=(m.first_token_timeout_s, FirstTokenTimeout()),
            between=(m.between_tokens_timeout_s, BetweenTokensTimeout()),
            total=(m.total_timeout_s - (now_ms() - started) / 1000, TotalTimeout()),
        )

    def _put(self, event: events.Event) -> None:
        if self._writer.bytes > self._tools.settings.max_log_bytes:
            raise LogTooLarge()
        self._outcome.add(event)
        self._writer.put(event)

    def _error(self, error: GenerationFailed) -> Error:
        return Error(
            ts=now_ms(),
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            usage=self._usage(),
        )

    def _usage(self) -> events.Usage:
        reported = self._finished.usage if self._finished else None
        if reported is None:
            return self._outcome.usage(self._prompt_tokens)
        if not self._continued_tokens:
            return reported
        # The upstream has counted the rest alone, and what was there already as prompt.
        completion = reported.completion_tokens + self._continued_tokens
        total = self._prompt_tokens + completion
        return events.Usage(self._prompt_tokens, completion, total, estimated=True)

    async def _end(self, terminal: Terminal) -> None:
        name = self._generation.model
        self._writer.put(terminal, self._outcome.closing(terminal, str(self._writer.position)))
        await self._writer.durable()
        if self._writer.fenced:
            raise Fenced()
        outcome = "failed" if isinstance(terminal, Error) else "done"
        if isinstance(terminal, Error):
            metrics.generation_errors.labels(name, terminal.code).inc()
        elif terminal.finish_reason == "cancelled":
            outcome = "cancelled"
        metrics.generations_ended.labels(name, outcome).inc()
        if self._running.abandoned:
            metrics.abandonments.labels(self._generation.on_disconnect).inc()
        metrics.tokens.labels(name, "prompt").inc(terminal.usage.prompt_tokens)
        metrics.tokens.labels(name, "completion").inc(terminal.usage.completion_tokens)
        if self._generation.started_ms is not None:
            seconds = (now_ms() - self._generation.started_ms) / 1000
            metrics.generation_duration.labels(name).observe(max(0.0, seconds))

    async def _hand_back(self) -> None:
        """This process drains: what is written stays, another worker takes the job at once."""
        try:
            async with asyncio.timeout(self._tools.settings.lease_s):
                if self._running.writer is not None:
                    await self._running.writer.durable()
                await self._tools.queue.release(self._claim)
        except (BrokerUnavailable, TimeoutError):
            logger.warning("could not hand back; its lease will run out", generation=self._generation.id)


async def generate(tools: Tools, claim: Claim) -> None:
    """
    Run one attempt to its end.

    Where another attempt took over, or none could begin, its place in the queue is left alone: the
    lease is another's, or runs out.
    """
    try:
        await Attempt(tools, claim).run()
    except Fenced:
        logger.info("another attempt took over", generation=claim.generation.id)
    except Exception:
        logger.exception("attempt failed", generation=claim.generation.id)
