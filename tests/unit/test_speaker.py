"""One attempt at a speech: what it goes on from, what it leaves out, and what ends it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.events import Audio, End, Event, Reset, Text
from shared.failures import SpeechTooLong
from shared.generation import Request
from shared.settings import Settings
from shared.speech import Speech
from worker.running import Stopped
from worker.speech import speaker
from worker.speech.orders import Sound
from worker.speech.sentences import Sentence, Sentences
from worker.speech.speaker import Speaker
from worker.speech.spoken import Spoken

TEXT = "One. Two. Three."


class Keeper:
    """Keeps all that it is given."""

    def __init__(self, *_: Any) -> None:
        self.pieces = 0

    async def keep(self, pieces: list[bytes]) -> int:
        """As `Keeper.keep`."""
        self.pieces += len(pieces)
        return self.pieces

    async def verify(self) -> bool:
        """As `Keeper.verify`."""
        return True


class Scene:
    """A speech of a reply that says *events*; with *late* no sentence is spoken before all are read."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *events: Event, most_bytes: int = 1000, late: bool = False
    ) -> None:
        monkeypatch.setattr(speaker, "Keeper", Keeper)
        self._events, self._read = events, asyncio.Event()
        if not late:
            self._read.set()
        #: What was spoken, and what was written.
        self.spoken: list[str] = []
        self.written: list[Event] = []
        asked = Request(speech=Speech(generation_id="gen_2", format="pcm"))
        generation = SimpleNamespace(id="gen_1", asked=asked)
        tools = SimpleNamespace(
            settings=Settings(max_speech_bytes=most_bytes),
            broker=SimpleNamespace(cells=SimpleNamespace(of_generation=lambda _: None), settings=Settings()),
            registry=SimpleNamespace(look_at_once=print),
        )
        claim = SimpleNamespace(generation=generation, lease="1:a")
        running = SimpleNamespace(claim=claim, interruptible=asyncio.shield)
        self.speaker = Speaker(*cast(Any, (self, self, tools, running)))

    async def run(self) -> None:
        """To its end."""
        async with asyncio.timeout(2):
            await self.speaker.run(cast(Any, self))

    async def events(self, *_: Any) -> AsyncIterator[Sequence[Event]]:
        """As `Sources.events`."""
        yield self._events
        self._read.set()

    async def say(self, sentence: Sentence, *_: Any) -> Sound:
        """As `Voices.say`."""
        await self._read.wait()
        self.spoken.append(sentence.spoken)
        return Sound(sentence.spoken.encode(), 10, [])

    def put(self, event: Event) -> None:
        """As `LogWriter.put`."""
        self.written.append(event)

    async def durable(self, *, at_most: int) -> None:
        """As `LogWriter.durable`."""


async def test_what_it_goes_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last sentence that is whole; of one that had begun it writes what is missing."""
    scene, spoken, sentences = Scene(monkeypatch, Text(1, TEXT)), Spoken(), Sentences()
    one, two, _ = [*sentences.feed(TEXT), *sentences.finish()]
    spoken.add(Audio(ts=1, number=1, at=0, size=4, start=one.start, end=one.end, ms=1, last=True))
    spoken.add(Audio(ts=1, number=2, at=4, size=3, start=two.start, end=two.end, ms=1))
    scene.speaker.go_on(spoken)
    await scene.run()
    assert scene.spoken == ["Two.", "Three."]
    sounds = [event for event in scene.written if isinstance(event, Audio)]
    assert [(sound.at, sound.size) for sound in sounds] == [(7, 1), (8, 6)]


async def test_what_is_void(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to hear what waited to be spoken when the reply began anew."""
    scene = Scene(monkeypatch, Text(1, "One. Two. And so"), Reset(ts=2), Text(3, "Three."), late=True)
    await scene.run()
    assert scene.spoken[-1] == "Three." and "Two." not in scene.spoken
    assert [event.ts for event in scene.written if isinstance(event, Reset)]


async def test_a_reply_that_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """P20: that silences what speaks it, whoever stopped it."""
    scene = Scene(monkeypatch, Text(1, TEXT), End(ts=2, finish_reason="cancelled", reason="abandoned"))
    with pytest.raises(Stopped):
        await scene.run()


async def test_one_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """P12: what there is room for is written, and then it is said."""
    scene = Scene(monkeypatch, Text(1, TEXT), most_bytes=9)
    with pytest.raises(SpeechTooLong):
        await scene.run()
    assert [event.size for event in scene.written if isinstance(event, Audio)] == [4, 4]
