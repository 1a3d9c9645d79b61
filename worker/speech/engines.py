"""The voices that are installed here: words -> samples. Loaded when they are first asked."""

import ctypes
import os
from functools import cache
from importlib.util import find_spec
from typing import Any, Self

from shared.speech import SAMPLE_RATE
from worker.speech.language import runs
from worker.speech.orders import Engine
from worker.speech.reach import within_reach

#: What eSpeak NG calls a language.
_ESPEAK_NAMES = {"zh": "cmn", "en": "en-us", "fr": "fr-fr"}
_SYNCHRONOUS, _UTF8, _RATE = 2, 1, 1
_WORDS_A_MINUTE = 175
#: What each takes of a word: hibari reads so many letters of one that it does not know, eSpeak NG says so
#: many by their names.
_MOST_LETTERS: dict[Engine, int] = {"hibari": 24, "espeak": 40}


def available() -> list[Engine]:
    """Those that can be asked."""
    found: list[Engine] = []
    if find_spec("hibari") and find_spec("onnxruntime"):
        found.append("hibari")
    if find_spec("espeakng_loader") and find_spec("numpy"):
        found.append("espeak")
    return found


def speak(engine: Engine, words: str, language: str, speed: float) -> bytes:
    """*words* as samples. The same words give the same samples. Raises `ValueError` where none come of it."""
    samples = _english(words, speed) if engine == "hibari" else _espeak(words, language, speed)
    if not samples:
        raise ValueError("no sound came of it")
    return samples


def warm(engine: Engine) -> None:
    """Load it, so that the first sentence need not wait."""
    speak(engine, "Hello.", "en", 1)


@cache
def _voice() -> Any:
    from hibari import Hibari

    # The only voice that comes with the package: the others would be downloaded.
    return Hibari("heart")


def _english(words: str, speed: float) -> bytes:
    """By hibari; letters of other scripts, which it passes over in silence, by eSpeak NG where that is."""
    if "espeak" not in available():
        return _hibari(words, speed)
    return b"".join(
        _espeak(run, language, speed) if language else _hibari(run, speed)
        for language, run in runs(words)
        if any(char.isalnum() for char in run)
    )


def _hibari(words: str, speed: float) -> bytes:
    import numpy

    words = within_reach(words, _MOST_LETTERS["hibari"])
    sound = _voice()(words, min(2.0, max(0.5, speed)), seed=0)
    return bytes((numpy.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())


class _Espeak:
    """
    eSpeak NG's library, which speaks into a callback.

    What it has said before changes, by a hair, what it says next, and nothing but loading it anew takes that
    back: so each sentence has one of its own, which costs a millisecond.
    """

    def __init__(self) -> None:
        import espeakng_loader

        path = espeakng_loader.get_library_path()
        self._handle = _dl("dlopen", ctypes.c_char_p, ctypes.c_int)(path.encode(), os.RTLD_NOW)
        self._library = ctypes.CDLL(path, handle=self._handle)
        data = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if self.rate <= 0:
            raise ValueError("eSpeak NG does not start")
        self._heard: list[bytes] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._hear)
        self._library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: Any, count: int, _: Any) -> int:
        if samples and count > 0:
            self._heard.append(ctypes.string_at(samples, count * 2))
        return 0

    def speak(self, words: str, name: str, words_a_minute: int) -> bytes:
        """*words*, at the library's own rate."""
        self._heard.clear()
        if self._library.espeak_SetVoiceByName(name.encode()):
            self._library.espeak_SetVoiceByName(b"en-us")
        self._library.espeak_SetParameter(_RATE, words_a_minute, 0)
        text = words.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return b"".join(self._heard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.espeak_Terminate()
        _dl("dlclose", ctypes.c_void_p)(self._handle)


def _dl(name: str, *takes: Any) -> Any:
    call = ctypes.CDLL(None)[name]
    call.argtypes, call.restype = takes, ctypes.c_void_p
    return call


def _espeak(words: str, language: str, speed: float) -> bytes:
    import numpy

    words = within_reach(words, _MOST_LETTERS["espeak"])
    words_a_minute = min(450, max(80, round(_WORDS_A_MINUTE * speed)))
    with _Espeak() as espeak:
        rate = espeak.rate
        heard = espeak.speak(words.replace("\0", " "), _ESPEAK_NAMES.get(language, language), words_a_minute)
    samples = numpy.frombuffer(heard, "<i2")
    if not len(samples):
        return b""
    places = numpy.arange(len(samples) * SAMPLE_RATE // rate) * (rate / SAMPLE_RATE)
    return bytes(numpy.interp(places, numpy.arange(len(samples)), samples).astype("<i2").tobytes())
