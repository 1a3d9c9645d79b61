"""Which voice speaks a sentence: by its language, and what a request asks for."""

from collections.abc import Sequence

import structlog

from shared.failures import SpeechFailed, UpstreamError
from shared.models import SpeechServer
from shared.speech import Able, Speech
from worker.speech.orders import Engine, Here, Order, Sound
from worker.speech.pool import Pool
from worker.speech.sentences import Sentence
from worker.speech.server import Server

logger = structlog.get_logger("worker.speech.voices")

#: Names of voices that are ours, with what speaks them.
_OWN: dict[str, Engine] = {"heart": "hibari", "espeak": "espeak"}


class Voices:
    """All that can speak in this worker: processes of its own, and a server if one is configured."""

    def __init__(self, here: Here, pool: Pool, server: SpeechServer | None) -> None:
        self._here = here
        self._pool = pool
        self._configured = server
        self._server = None if server is None else Server(server)

    @property
    def able(self) -> Able | None:
        """What there is; None where nothing can speak."""
        if not self._here.engines and self._server is None:
            return None
        own = [name for name, engine in _OWN.items() if engine in self._here.engines]
        theirs = [] if self._configured is None else [self._configured.voice, *self._configured.voices]
        return Able(list(self._here.formats), list(dict.fromkeys(["auto", *own, *theirs])))

    async def say(self, sentence: Sentence, speech: Speech, carry: Sequence[int]) -> Sound:
        """*sentence* as sound. Raises `SpeechFailed`."""
        if self._server is not None and self._serves(sentence, speech):
            try:
                samples = await self._server.speak(sentence.spoken, speech.voice, speech.speed)
            except UpstreamError as error:
                logger.warning("the speech server has failed", code=error.code)
                if not self._here.engines:
                    raise SpeechFailed() from error
            else:
                order = _order(sentence, speech, "none", carry)
                return await self._pool.make(_with(order, samples))
        failed = SpeechFailed()
        for engine in self._engines(sentence.language, speech.voice):
            try:
                return await self._pool.make(_order(sentence, speech, engine, carry))
            except SpeechFailed as error:
                failed = error
        raise failed

    async def close(self) -> None:
        """End all of it."""
        if self._server is not None:
            await self._server.close()
        await self._pool.close()

    def _serves(self, sentence: Sentence, speech: Speech) -> bool:
        """Whether the server is to speak it."""
        server = self._configured
        if server is None:
            return False
        if speech.voice in _OWN and speech.voice not in server.voices:
            return not self._here.engines
        languages = server.languages
        return not languages or sentence.language in languages or not self._here.engines

    def _engines(self, language: str, voice: str) -> list[Engine]:
        """What can speak it, the best first."""
        named = _OWN.get(voice)
        wanted: list[Engine] = ["hibari", "espeak"] if language == "en" and named != "espeak" else ["espeak"]
        # English ears understand English letters better than silence.
        return [engine for engine in [*wanted, *self._here.engines] if engine in self._here.engines]


def _order(sentence: Sentence, speech: Speech, engine: Engine, carry: Sequence[int]) -> Order:
    return Order(engine, sentence.language, sentence.spoken, speech.speed, speech.format, carry=list(carry))


def _with(order: Order, samples: bytes) -> Order:
    return Order(order.engine, order.language, order.words, order.speed, order.format, samples, order.carry)
