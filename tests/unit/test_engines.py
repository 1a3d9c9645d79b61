"""The voices that are installed: what they say does not depend on what they said before."""

import time

import pytest

from worker.speech.engines import _Espeak, speak
from worker.speech.orders import Engine


def test_the_same_words_give_the_same_samples() -> None:
    """Whoever goes on in mid-sentence for another worker must not be heard to."""
    first = speak("espeak", "水车在转。", "zh", 1)
    speak("espeak", "Bonjour.", "fr", 1)
    assert speak("espeak", "水车在转。", "zh", 1) == first
    assert speak("hibari", "The river runs.", "en", 1) == speak("hibari", "The river runs.", "en", 1)


def seconds(engine: Engine, words: str) -> float:
    """How long they take to say."""
    return len(speak(engine, words, "en", 1)) / 48_000


def test_at_the_pace_of_its_voice() -> None:
    """eSpeak NG speaks at a rate of its own, which is not ours."""
    with _Espeak() as espeak:
        as_spoken = len(espeak.speak("The river runs.", "en-us", 175)) / 2 / espeak.rate
    assert seconds("espeak", "The river runs.") == pytest.approx(as_spoken, abs=0.001)


@pytest.mark.parametrize(
    "foreign", ["こんにちは", "你好世界", "שלום עולם", "дружба народов", "สวัสดีครับ", "नमस्ते दुनिया"]
)
def test_a_foreign_word_is_said(foreign: str) -> None:
    """The English voice knows none of its letters, and would pass over them without a word."""
    assert (
        seconds("hibari", f"The word {foreign} means hello.")
        > seconds("hibari", "The word means hello.") + 0.3
    )


@pytest.mark.parametrize("engine", ["hibari", "espeak"])
@pytest.mark.parametrize("word", ["supercalifragilistic", "1234567890", "e4f5-a6b7/", "1.2.3.4.5."])
def test_a_word_of_any_length_is_said(engine: Engine, word: str) -> None:
    """Voices have room for so many letters of a word and leave out the rest, or fail."""
    long = seconds(engine, word * 12)
    assert long > 4 * seconds(engine, word * 2), "it took as long as a third of it"


def test_a_word_of_a_hundred_parts() -> None:
    """It takes no time that grows with its square: others wait for this process."""
    begun = time.process_time()
    seconds("hibari", "a/" * 200)
    assert time.process_time() - begun < 3, "it takes 0.5 s, and took half a minute"
