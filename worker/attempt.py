"""
The job: conversation -> backend -> event log -> end.

Whatever happens, the log ends with one durable terminal event, or the generation is handed on to
another worker; never both, never neither.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

import structlog

from shared import events, logs, metrics, tracing
from shared.errors import BrokerUnavailable
from shared.event_log import Entry
from shared.events import End, Error, Start, Terminal, now_ms
from shared.failures import AttemptsExhausted, GenerationFailed, InternalFailure, UpstreamError
from shared.generation import TERMINAL_STATES
from shared.outcome import Outcome
from shared.queue import Claim
from shared.replication import replicated
from worker.appender import LogWriter
from worker.backends import Finished
from worker.backends.redaction import for_clients, for_log
from worker.producer import Producer
from worker.running import Fenced, Running, Stopped
from worker.state import Tools
from worker.torn import is_torn, told_again

logger = structlog.get_logger("worker.attempt")

_BROKER_RETRY_S = 0.5


class Produces(Protocol):
    """What makes the events of one attempt, between its first and its last."""

    #: Whether readers who may have more than a torn log are to begin anew, with what it has.
    tells_again: bool

    @property
    def outcome(self) -> Outcome:
        """All that is in the log."""
        ...

    def go_on(self, outcome: Outcome) -> None:
        """*outcome*, of the kind of its own, is what earlier attempts wrote."""
        ...

    async def run(self, writer: LogWriter) -> Finished:
        """Go on after what *writer*'s log has already. Raises `GenerationFailed`, or what interrupts it."""
        ...

    def spent(self) -> dict[str, Any]:
        """What the terminal event says that it cost."""
        ...

    @property
    def where(self) -> str:
        """What was asked last, for the log."""
        ...


class Attempt:
    """One worker's turn at a generation."""

    def __init__(
        self, tools: Tools, claim: Claim, entry: str, producer: Callable[[Tools, Running], Produces]
    ) -> None:
        """*entry* is what metrics call its model, where clients may call it anything."""
        self._tools = tools
        self._claim = claim
        self._generation = claim.generation
        self._entry = entry
        self._running = Running(claim)
        # Registered before anything is awaited, so that no cancel can slip by.
        tools.registry.add(self._running)
        self._producer = producer(tools, self._running)

    async def run(self) -> None:
        """
        Generate to the end. Raises `Fenced` when another attempt took over, and `CancelledError`
        after handing the job back when this process drains.
        """
        running = metrics.generations_running.labels(self._entry)
        running.inc()
        try:
            writer = await self._open()
            await self._end(writer, await self._terminal(writer))
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back())
            raise
        finally:
            running.dec()
            self._tools.registry.remove(self._running)

    async def _open(self) -> LogWriter:
        """Take over the log, with what earlier attempts wrote."""
        log = await self._read_log()
        writer = self._running.writer = LogWriter(
            self._tools.appenders.of(self._generation.id),
            self._claim,
            log,
            on_fenced=self._running.fence,
            on_missing=partial(self._tools.registry.look_at_once, self._generation.id),
        )
        if not log:
            given = self._generation.asked.continued
            start = Start(
                ts=now_ms(),
                model=self._generation.model,
                continues=given.generation_id if given else None,
                before=given.usage if given else None,
            )
            self._producer.outcome.add(start)
            writer.put(start)
        if self._producer.tells_again and is_torn(self._generation, log):
            for event in told_again(log):
                self._producer.outcome.add(event)
                writer.put(event)
        return writer

    async def _read_log(self) -> list[Entry]:
        """All that earlier attempts wrote, taken into account."""
        while self._claim.log_length:
            log: list[Entry] = []
            outcome = type(self._producer.outcome)()
            try:
                async for page in self._tools.log.pages(self._generation.id):
                    log += page
                    for entry in page:
                        outcome.add(events.decode(entry.event))
            except BrokerUnavailable:
                await asyncio.sleep(_BROKER_RETRY_S)
            else:
                self._producer.go_on(outcome)
                return log
        return []

    async def _terminal(self, writer: LogWriter) -> Terminal:
        """Produce all events up to the terminal one, and give that."""
        producer = self._producer
        try:
            if self._generation.lost >= self._tools.settings.max_attempts:
                metrics.attempts.labels(self._entry, "exhausted").inc()
                raise AttemptsExhausted
            if self._generation.cancel is not None:
                raise Stopped(self._generation.cancel, asyncio.get_running_loop().time())
            finished = await producer.run(writer)
        except Stopped as stopped:
            metrics.cancels.labels(stopped.reason).inc()
            metrics.cancel_latency.observe(asyncio.get_running_loop().time() - stopped.at)
            spent = producer.spent()
            return End(ts=now_ms(), finish_reason="cancelled", reason=stopped.reason, **spent)
        except Fenced:
            raise
        except GenerationFailed as error:
            return self._error(error)
        except MemoryError:
            return self._error(InternalFailure("The worker ran out of memory."))
        except Exception:  # a defect of ours must end this log, not the worker
            logger.exception("a defect", generation=self._generation.id)
            return self._error(InternalFailure())
        return End(
            ts=now_ms(),
            finish_reason=finished.finish_reason,
            upstream_reason=finished.upstream_reason and for_clients(finished.upstream_reason),
            **producer.spent(),
        )

    def _error(self, error: GenerationFailed) -> Error:
        message, facts = error.message, {}
        if isinstance(error, UpstreamError):
            # Its own words: all of them for the operator, who knows where it is anyway.
            message = for_clients(error.message)
            facts = {"said": error.said or error.message}
            if error.upstream_status is not None:
                facts["status"] = str(error.upstream_status)
        logger.warning(
            "generation failed",
            generation=self._generation.id,
            model=self._generation.model,
            upstream=for_log(self._producer.where),
            code=error.code,
            attempt=self._generation.attempt,
            **facts,
        )
        return Error(
            ts=now_ms(),
            code=error.code,
            message=message,
            retryable=error.retryable,
            retry_after_s=error.retry_after_s,
            upstream_reason=error.upstream_reason and for_clients(error.upstream_reason),
            **self._producer.spent(),
        )

    async def _end(self, writer: LogWriter, terminal: Terminal) -> None:
        outcome = self._producer.outcome
        closing = outcome.closing(self._generation.id, terminal, str(writer.position))
        writer.put(terminal, closing)
        await writer.durable()
        while self._tools.settings.min_replicas and not writer.fenced and not await self._replicated():
            writer.repeat_last()
            await writer.durable()
        if writer.fenced:
            raise Fenced
        _count(self._entry, self._running, terminal)
        if (spans := tracing.spans) is not None:
            if isinstance(terminal, Error):
                spans.failed(terminal.code)
            else:
                spans.tell({"gen_ai.response.finish_reasons": [terminal.finish_reason]})
        if self._running.abandoned:
            metrics.abandonments.labels(self._generation.on_disconnect).inc()

    async def _replicated(self) -> bool:
        """Whether the end stands on the replicas as well; not if a failover has just lost it."""
        try:
            return await replicated(self._tools.broker, self._generation.id) in TERMINAL_STATES
        except BrokerUnavailable:
            await asyncio.sleep(_BROKER_RETRY_S)
            return False

    async def _hand_back(self) -> None:
        """This process drains: what is written stays, another worker takes the job at once."""
        try:
            async with asyncio.timeout(self._tools.settings.lease_s):
                if self._running.writer is not None:
                    await self._running.writer.durable()
                await self._tools.queue.release(self._claim)
        except (BrokerUnavailable, TimeoutError):
            logger.warning("could not hand back; its lease will run out", generation=self._generation.id)


def _count(name: str, running: Running, terminal: Terminal) -> None:
    outcome = "done"
    if isinstance(terminal, Error):
        outcome = "failed"
        metrics.generation_errors.labels(name, terminal.code).inc()
    elif terminal.finish_reason == "cancelled":
        outcome = "cancelled"
    metrics.generations_ended.labels(name, outcome).inc()
    metrics.tokens.labels(name, "prompt").inc(terminal.usage.prompt_tokens)
    metrics.tokens.labels(name, "completion").inc(terminal.usage.completion_tokens)
    metrics.tokens.labels(name, "cached").inc(terminal.usage.cached_tokens or 0)
    metrics.tokens.labels(name, "reasoning").inc(terminal.usage.reasoning_tokens or 0)
    metrics.cost.labels(name).inc(terminal.cost or 0)
    metrics.generation_duration.labels(name).observe(running.elapsed_s)


async def generate(tools: Tools, claim: Claim) -> None:
    """
    Run one attempt to its end.

    Where another attempt took over, or none could begin, its place in the queue is left alone: the
    lease is another's, or runs out.
    """
    entry = tools.upstreams.entry_of(claim.generation.model)
    await attempt(tools, claim, entry, Producer)


async def attempt(
    tools: Tools, claim: Claim, entry: str, producer: Callable[[Tools, Running], Produces]
) -> None:
    """The same with what *producer* makes."""
    generation = claim.generation
    logs.begin(
        generation=generation.id,
        attempt=generation.attempt,
        request_id=generation.request_id,
        trace_id=tracing.trace_id(generation.trace),
    )
    spans = tracing.spans
    try:
        with spans.attempt(claim) if spans is not None else nullcontext():
            await Attempt(tools, claim, entry, producer).run()
    except Fenced:
        logger.info("left to another attempt")
    except Exception:
        logger.exception("attempt failed")
