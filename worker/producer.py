"""
What one attempt gets from its upstreams: asks one, tries again or hands over to the next where that makes
sense, and carries every delta to the log.

A try costs the reader nothing it has seen: what was written stands until another upstream speaks, and is void
then only if that one cannot go on from it.
"""

import asyncio
import random
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import structlog

from shared import events, messages, metrics
from shared.errors import BrokerUnavailable
from shared.events import HandOver, Reasoning, Reset, Text, now_ms
from shared.failures import (
    FirstTokenTimeout,
    LogTooLarge,
    UpstreamBroke,
    UpstreamCutShort,
    UpstreamError,
    WorkerLost,
)
from shared.generation import Request
from shared.messages import count_tokens
from shared.models import Model
from shared.outcome import Outcome
from worker.appender import LogWriter
from worker.asking import Asking
from worker.backends import Finished, Prompt
from worker.bill import Bill, estimated
from worker.choosing import Choosing
from worker.drawing import stored
from worker.prompt import prompt_of, prompt_tokens
from worker.race import Race
from worker.running import Running
from worker.state import Tools
from worker.upstreams import Hold, Upstream

logger = structlog.get_logger("worker.producer")

#: Rounds of a model's upstreams for one attempt, and the pause before the next: doubled, with full jitter.
#: All fit into the two seconds that a streamed answer's status waits for.
_MAX_UPSTREAM_TRIES = 3
_BACKOFF_S = 0.25
#: A server that asks for a longer pause has failed for this generation.
_MAX_RETRY_AFTER_S = 20.0


class Producer:
    """Writes the answer of one attempt, up to but without its terminal event."""

    tells_again = True

    def __init__(self, tools: Tools, running: Running) -> None:
        self._tools = tools
        self._running = running
        self._generation = running.claim.generation
        self._request = msgspec.json.decode(self._generation.request, type=Request)
        self._upstreams = tools.upstreams.of(self._generation.model)
        self._entry = tools.upstreams.entry_of(self._generation.model)
        #: All that is in the log, earlier attempts' events included.
        self.outcome = Outcome()
        self.bill = Bill()
        #: The upstream that was asked last.
        self.asked: Upstream = self._upstreams[0]
        self._prompt_tokens = 0
        #: The last word of the last to speak.
        self._finished: Finished | None = None
        #: Tokens of the text that the last to speak went on from.
        self._continued_tokens = 0
        #: The code of what broke the answer off.
        self._broken_by = WorkerLost.code
        self._took_over = False

    async def run(self, writer: LogWriter) -> Finished:
        """
        Generate after what *writer*'s log has already; gives the model's last word.

        Raises `GenerationFailed` with the cause, or whatever interrupts the generation.
        """
        model = self._tools.models.by_name[self._entry]
        choosing = Choosing(self._tools.upstreams, self._generation.model, model, self._request)
        self._give(writer)
        try:
            return await self._answer(writer, choosing, model)
        finally:
            # Each failure knows where it came by, and so all of this.
            choosing.failures.clear()

    async def _answer(self, writer: LogWriter, choosing: Choosing, model: Model) -> Finished:
        rounds, tries = 1, 0
        while True:
            upstream = await choosing.next(self._running)
            if upstream is None:
                pause_s = self._pause_s(choosing, rounds)
                if pause_s is None:
                    raise choosing.why()
                await self._running.interruptible(asyncio.create_task(asyncio.sleep(pause_s)))
                rounds += 1
                choosing.begin_round()
                continue
            tries += 1
            if tries > 1:
                metrics.upstream_retries.labels(self._entry).inc()
            if not self.outcome.begun:
                metrics.attempts.labels(self._entry, "first").inc()
            try:
                finished = await self._ask(upstream, choosing, writer, model.hedge_after_s)
            except UpstreamError as error:
                logger.info("an upstream has failed", code=error.code, upstream=self.asked.name)
            else:
                if finished.finish_reason == "unknown":
                    metrics.ends_unsaid.labels(self._entry).inc()
                    logger.warning("the model server ended without a reason", model=self._entry)
                return finished

    def go_on(self, outcome: Outcome) -> None:
        """*outcome* is what earlier attempts wrote."""
        self.outcome = outcome

    @property
    def where(self) -> str:
        """The address of the upstream that was asked last."""
        return self.asked.model.base_url

    def usage(self) -> events.Usage:
        """Of what the reader got: the upstream's count, or ours."""
        reported = self._finished.usage if self._finished else None
        if reported is None:
            return self.outcome.usage(self._prompt_tokens)
        if self._continued_tokens:
            # The upstream has counted the rest alone, and what was there already as prompt.
            completion = reported.completion_tokens + self._continued_tokens
            return estimated(reported, self._prompt_tokens, completion)
        if reported.estimated:
            prompt = reported.prompt_tokens or self._prompt_tokens
            return estimated(reported, prompt, reported.completion_tokens or self.outcome.tokens)
        return reported

    def spent(self) -> dict[str, Any]:
        """Beside the usage, for the terminal event: what was billed, what it cost, who answered."""
        self._take_over(self._prompt_tokens)
        usage, billed = self.usage(), self.bill.usage
        return {
            "usage": usage,
            "billed": billed if billed.total_tokens > usage.total_tokens else None,
            "cost": self.bill.cost,
            "upstreams": self.outcome.upstreams,
        }

    def _pause_s(self, choosing: Choosing, rounds: int) -> float | None:
        """How long to wait before another round; None where that makes no sense."""
        pauses = [self._pause_after(error, rounds) for _, error in choosing.failures]
        pause_s = min((pause for pause in pauses if pause is not None), default=None)
        return None if pause_s is None or pause_s >= choosing.left_s else pause_s

    def _pause_after(self, error: UpstreamError, rounds: int) -> float | None:
        if rounds >= _MAX_UPSTREAM_TRIES or not error.retryable:
            return None
        # Whoever waits has waited long enough: a model that thinks so long does so each time.
        if isinstance(error, FirstTokenTimeout):
            return None
        # Past the first token only a broken connection is worth a new start.
        broke = isinstance(error, UpstreamBroke) and not isinstance(error, UpstreamCutShort)
        if self.outcome.begun and not broke:
            return None
        if error.retry_after_s is None:
            return random.uniform(0, _BACKOFF_S * 2**rounds)
        if error.retry_after_s > _MAX_RETRY_AFTER_S:
            return None
        return error.retry_after_s + random.uniform(0, _BACKOFF_S)

    async def _ask(
        self,
        upstream: Upstream,
        choosing: Choosing,
        writer: LogWriter,
        hedge_after_s: float | None,
    ) -> Finished:
        """Ask *upstream*, and another beside it where it is silent for *hedge_after_s*."""
        race = Race(hedge_after_s)
        with ExitStack() as holds:

            def hold(upstream: Upstream) -> Hold:
                held = self._tools.upstreams.hold(upstream)
                holds.callback(held.release)
                return held

            def second() -> Hold | None:
                other = choosing.beside()
                if other is None:
                    return None
                metrics.hedges.labels(self._entry).inc()
                return hold(other)

            async def start(held: Hold) -> None:
                try:
                    await self._ask_one(held.upstream, choosing, writer, race)
                finally:
                    held.release()

            try:
                run = race.run(hold(upstream), second, start)
                await self._running.interruptible(asyncio.create_task(run))
            finally:
                for asking in race.askings:
                    self.bill.add(asking)
                self._finished = race.winner.finished if race.winner is not None else None
                race.over()
        if self._finished is None:
            raise UpstreamBroke
        return self._finished

    async def _ask_one(self, upstream: Upstream, choosing: Choosing, writer: LogWriter, race: Race) -> None:
        self.asked = upstream
        prompt = await self._prompt(upstream, choosing.asked_for)
        asking = Asking(
            upstream,
            prompt,
            self._running,
            patience_s=choosing.patience_s(upstream),
            begins=lambda asking: race.begins(asking) and self._begins(asking, writer),
            put=partial(self._put, writer),
            store=partial(stored, self._tools, self._generation),
            spent=lambda: self.outcome.spent,
        )
        if (given := self._request.continued) is not None:
            asking.prompt_tokens += count_tokens(given.text)
        asking.starts_over = self.outcome.begun and not self._goes_on(upstream)
        self._prompt_tokens = asking.prompt_tokens
        race.askings.append(asking)
        try:
            await asking.run(writer, self._tools.settings.max_unacknowledged_events)
        except UpstreamError as error:
            choosing.failed(upstream, error, spoke=asking.spoke)
            if asking.spoke:
                self._broken_by = error.code
            raise

    def _begins(self, asking: Asking, writer: LogWriter) -> bool:
        """*asking* speaks: void what was written, unless it goes on from there, and say who it is."""
        self._prompt_tokens = asking.prompt_tokens
        begun, upstream = self.outcome.begun, asking.upstream
        if begun:
            kind = "reset" if asking.starts_over else "continued"
            metrics.attempts.labels(self._entry, kind).inc()
        if asking.starts_over:
            self._put(writer, Reset(ts=now_ms(), reason=self._broken_by))
            self._give(writer)
        self._continued_tokens = self.outcome.tokens if asking.prompt.prefix else 0
        if not upstream.alone and self.outcome.upstreams[-1:] != [upstream.name]:
            why = self._broken_by if begun else None
            if why is not None:
                metrics.hand_overs.labels(self._entry, why).inc()
            billed, cost = self.bill.usage, self.bill.cost
            event = HandOver(ts=now_ms(), upstream=upstream.name, reason=why, billed=billed, cost=cost)
            self._put(writer, event)
        return True

    def _goes_on(self, upstream: Upstream) -> bool:
        """Whether *upstream* can go on from what is written."""
        said = bool(self.outcome.text) and not self.outcome.tool_calls
        return upstream.model.can_continue and said and not self.outcome.parts

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

    async def _prompt(self, upstream: Upstream, asked_for: str) -> Prompt:
        prefix, given = "", self._request.continued
        if self._goes_on(upstream):
            prefix = self.outcome.text
        elif given is not None and upstream.model.can_continue:
            prefix = given.text
        said = self._running.claim.record.get("turn")
        turn = messages.decode(said.encode()) if said else None
        while True:
            try:
                prompt = await prompt_of(self._generation, self._request, turn, upstream, self._tools, prefix)
            except BrokerUnavailable:
                await asyncio.sleep(_BACKOFF_S)
            else:
                break
        if asked_for:
            upstream.last_asked = asked_for
            prompt = msgspec.structs.replace(prompt, model=asked_for)
        self._take_over(prompt_tokens(prompt))
        return prompt

    def _take_over(self, prompt_tokens: int) -> None:
        """Once: what earlier attempts were billed."""
        if not self._took_over:
            self._took_over = True
            answered = [it for it in self._upstreams if it.name in self.outcome.upstreams[-1:]]
            self.bill.take_over(self.outcome, (answered or self._upstreams)[0], prompt_tokens)

    def _put(self, writer: LogWriter, event: events.Event) -> None:
        if writer.bytes > self._tools.settings.max_log_bytes:
            raise LogTooLarge()
        # In this order: what cannot be written must not be in what the end records either.
        writer.put(event)
        self.outcome.add(event)
