"""
One attempt at a speech: sentences as they are complete, a voice for each, and their sound into the log.

Another attempt goes on after the last sentence that is whole: a voice says the same words in the same way.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

from shared.audio import AudioLog
from shared.errors import BrokerUnavailable
from shared.events import Audio, End, Error, Event, Reset, Text, Usage, cancel_reason, now_ms
from shared.failures import NothingToSay, SpeechTooLong, WorkerLost, failure
from shared.messages import count_tokens
from shared.outcome import Outcome
from shared.speech import QUEUE, Speech
from worker.appender import LogWriter
from worker.backends import Finished
from worker.running import Running, Stopped
from worker.speech.keeping import Keeper
from worker.speech.orders import Sound
from worker.speech.sentences import Sentence, Sentences
from worker.speech.source import Sources
from worker.speech.spoken import Spoken
from worker.speech.voices import Voices
from worker.state import Tools

#: Bytes of one piece of sound, and events that may wait for the broker.
_PIECE = 32 * 1024
_MOST_UNACKNOWLEDGED = 64
#: Characters that are cut into sentences before others have their turn: texts are streamed here too.
_SLICE = 1_000
_BROKER_RETRY_S = 0.3


class Speaker:
    """Writes the sound of one attempt, up to but without its terminal event."""

    #: A voice says what was lost in the same way, byte by byte.
    tells_again = False

    def __init__(self, voices: Voices, sources: Sources, tools: Tools, running: Running) -> None:
        self._voices, self._sources, self._tools, self._running = voices, sources, tools, running
        self._generation = running.claim.generation
        self._speech = self._generation.asked.speech or Speech(text="")
        self.outcome: Spoken = Spoken()
        #: Sentences that are not spoken yet, and the event that voids all before it.
        self._waiting: deque[Sentence | Reset] = deque()
        self._stirred = asyncio.Event()
        self._tokens = 0
        #: How the reply ended that is spoken, where it broke off.
        self._broken: Error | None = None

    def go_on(self, outcome: Outcome) -> None:
        """*outcome*, a `Spoken`, is what earlier attempts have spoken."""
        if isinstance(outcome, Spoken):
            self.outcome = outcome

    @property
    def where(self) -> str:
        """It is no address."""
        return QUEUE

    async def run(self, writer: LogWriter) -> Finished:
        """
        Speak after what *writer*'s log has already. Raises `GenerationFailed`, that of a reply which broke
        off too, and what interrupts it.
        """
        keeper = Keeper(
            AudioLog(self._tools.broker),
            self._generation.id,
            self._running.claim.lease,
            partial(self._tools.registry.look_at_once, self._generation.id),
        )
        await self._running.interruptible(asyncio.create_task(self._run(writer, keeper)))
        if self._broken is not None:
            # A speech that ended well would be taken for the whole reply.
            raise failure(self._broken.code, self._broken.message)
        if not self.outcome.size:
            raise NothingToSay()  # a file without a sound would be taken for one
        return Finished("stop")

    def spent(self) -> dict[str, Any]:
        """Tokens of what was spoken, by our own count."""
        return {"usage": Usage(self._tokens, 0, self._tokens, estimated=True)}

    async def _run(self, writer: LogWriter, keeper: Keeper) -> None:
        reading = asyncio.create_task(self._read())
        try:
            while (item := await self._next(keeper, reading)) is not None:
                if isinstance(item, Reset):
                    writer.put(item)
                    self.outcome.add(item)
                elif item.spoken and item.end > self.outcome.end:
                    sound = await self._voices.say(item, self._speech, self.outcome.carry)
                    await self._put(writer, keeper, item, sound)
            await self._verify(keeper)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _next(self, keeper: Keeper, reading: "asyncio.Task[None]") -> Sentence | Reset | None:
        """What is to be spoken next; None at the end of it."""
        if reading.done():
            reading.result()  # what was stopped speaks no further
        while not self._waiting:
            if reading.done():
                reading.result()
                return None
            self._stirred.clear()
            stirred = asyncio.create_task(self._stirred.wait())
            try:
                await asyncio.wait({stirred, reading}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stirred.cancel()
            if not self._waiting:
                with suppress(BrokerUnavailable):
                    await keeper.verify()
        return self._waiting.popleft()

    async def _verify(self, keeper: Keeper) -> None:
        while True:
            with suppress(BrokerUnavailable):
                if await keeper.verify():
                    return
            await asyncio.sleep(_BROKER_RETRY_S)

    async def _put(self, writer: LogWriter, keeper: Keeper, sentence: Sentence, sound: Sound) -> None:
        """Keep *sound* but what an earlier attempt has kept of it, and tell of it."""
        data = sound.data[self.outcome.partial :]
        if self.outcome.size + len(data) > self._tools.settings.max_speech_bytes:
            raise SpeechTooLong()
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)] or [b""]
        first = await keeper.keep(pieces)
        for number, piece in enumerate(pieces, first):
            is_last = number == first + len(pieces) - 1
            event = Audio(
                ts=now_ms(),
                number=number,
                at=self.outcome.size,
                size=len(piece),
                start=sentence.start,
                end=sentence.end,
                ms=round(sound.ms * len(piece) / len(sound.data)) if sound.data else 0,
                last=is_last,
                carry=sound.carry if is_last else [],
            )
            writer.put(event)
            self.outcome.add(event)
        await writer.durable(at_most=_MOST_UNACKNOWLEDGED)

    # -- what is to be spoken ----------------------------------------------------------------------------

    async def _read(self) -> None:
        """Fill `_waiting`, as sentences are complete, with what no earlier attempt has spoken."""
        sentences, version = Sentences(), 0
        #: The text so far, and what it was before it was told again.
        text = before = ""
        async for found in self._source():
            for event in found:
                match event:
                    case Text(text=more):
                        text += more
                        if text.startswith(before):
                            before = ""
                        elif not before.startswith(text):
                            sentences, before, more = self._told_otherwise(), "", text
                        await self._feed(sentences, more, version)
                    case Reset(told_again=True):
                        sentences, text, before = Sentences(), "", max(before, text, key=len)
                        self._tokens = 0
                        self._void()
                    case Reset():
                        sentences, version, text, before = Sentences(), version + 1, "", ""
                        self._void()
                        if version > self.outcome.resets:
                            self._say_reset(Reset(ts=now_ms(), reason=event.reason))
                    case Error():
                        self._broken = event
                    case End(finish_reason="cancelled") if not self._speech.was_stopped:
                        raise Stopped(cancel_reason(event.reason or "user"), self._now())
        if before:
            # It ends before what was lost did.
            sentences = self._told_otherwise()
            await self._feed(sentences, text, version)
        self._wait(sentences.finish(), version)

    async def _feed(self, sentences: Sentences, text: str, version: int) -> None:
        for at in range(0, len(text), _SLICE):
            self._wait(sentences.feed(text[at : at + _SLICE]), version)
            await asyncio.sleep(0)

    async def _source(self) -> AsyncIterator[list[Event]]:
        speech = self._speech
        if speech.generation_id is None:
            yield [Text(now_ms(), speech.text or "")]
            return
        cell = self._tools.broker.cells.of_generation(speech.generation_id)
        async for found in self._sources.events(cell, speech.generation_id):
            yield found

    def _told_otherwise(self) -> Sentences:
        """The text goes on in other words than those that were lost, which may be spoken already."""
        self._tokens = 0
        self._void()
        self._say_reset(Reset(ts=now_ms(), reason=WorkerLost.code, told_again=True))
        return Sentences()

    def _void(self) -> None:
        """Nobody wants to hear what is void; that it is so has to be told."""
        self._waiting = deque(item for item in self._waiting if isinstance(item, Reset))

    def _say_reset(self, reset: Reset) -> None:
        self._waiting.append(reset)
        self._stirred.set()

    def _wait(self, sentences: list[Sentence], version: int) -> None:
        for sentence in sentences:
            self._tokens += count_tokens(sentence.spoken) if sentence.spoken else 0
            if version >= self.outcome.resets:
                self._waiting.append(sentence)
        if self._waiting:
            self._stirred.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
