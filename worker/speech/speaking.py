"""Queue `speech` of this process: whether it can speak, its word that it can, and its worker."""

import asyncio
from contextlib import suppress
from functools import partial

import structlog

from shared.able import SAY_EVERY_S, say_able
from shared.broker import Broker
from shared.channels import Channels
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.failures import SpeechFailed
from shared.queue import Claim
from shared.speech import QUEUE
from worker.attempt import attempt
from worker.leased_worker import LeasedWorker
from worker.speech import engines
from worker.speech.pool import Pool
from worker.speech.source import Sources
from worker.speech.speaker import Speaker
from worker.speech.voices import Voices
from worker.state import Tools

logger = structlog.get_logger("worker.speech.speaking")


class Speaking:
    """`run` is its task; `drain` ends it as a worker's jobs end."""

    def __init__(self, broker: Broker, channels: Channels, tools: Tools) -> None:
        self._broker, self._tools = broker, tools
        self._pool = Pool(tools.settings.speech_processes)
        self._sources = Sources(broker, channels, tools.log)
        self._voices: Voices | None = None
        self._worker = LeasedWorker(
            broker, channels, QUEUE, tools.settings.speech_concurrency, tools, self._speak
        )

    async def run(self) -> None:
        """Speak for ever, where anything here can."""
        server = self._tools.models.speech
        if self._tools.settings.speech == "off" or not (server or engines.available()):
            return
        try:
            here = await self._pool.start()
        except SpeechFailed:
            logger.exception("cannot speak: what makes sound does not start")
            return
        voices = self._voices = Voices(here, self._pool, server)
        if (able := voices.able) is None:
            return
        working = asyncio.create_task(self._worker.async_run())
        try:
            while not working.done():
                with suppress(BrokerUnavailable, BrokerRefused):
                    await say_able(self._broker, able)
                await asyncio.wait({working}, timeout=SAY_EVERY_S)
            working.result()
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def drain(self, grace_s: float, hurried: "asyncio.Task[None]") -> None:
        """Claim nothing more, let speeches end within *grace_s*, hand the rest back."""
        await self._worker.drain(grace_s, hurried)

    async def close(self) -> None:
        """End what makes sound; nothing may be spoken any more."""
        if self._voices is not None:
            await self._voices.close()
        else:
            await self._pool.close()

    async def _speak(self, tools: Tools, claim: Claim) -> None:
        if self._voices is None:
            return
        await attempt(tools, claim, QUEUE, partial(Speaker, self._voices, self._sources))
