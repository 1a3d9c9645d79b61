"""The voices that are installed: what they say does not depend on what they said before."""

from worker.speech.engines import speak


def test_the_same_words_give_the_same_samples() -> None:
    """Whoever goes on in mid-sentence for another worker must not be heard to."""
    first = speak("espeak", "水车在转。", "zh", 1)
    speak("espeak", "Bonjour.", "fr", 1)
    assert speak("espeak", "水车在转。", "zh", 1) == first
    assert speak("hibari", "The river runs.", "en", 1) == speak("hibari", "The river runs.", "en", 1)
