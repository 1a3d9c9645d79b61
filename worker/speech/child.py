"""
The process that makes sound: orders come in on its standard input, sounds go out on its output, one after
another. It is of low priority, and ends with the worker that started it, however that ends.
"""

import os
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

import msgspec

from shared.speech import SAMPLE_RATE
from worker.speech import engines, formats
from worker.speech.orders import Here, Order, Sound

SIZE = struct.Struct("<I")
_NICENESS = 10
#: Between two sentences.
_PAUSE = bytes(2 * SAMPLE_RATE * 12 // 100)


def make(order: Order) -> Sound:
    """What *order* asks for; what went wrong is said, not raised."""
    try:
        samples = order.samples
        if order.engine != "none":
            samples = engines.speak(order.engine, order.words, order.language, order.speed) + _PAUSE
        data, carry = formats.encode(samples, order.format, order.carry)
    except Exception as error:  # noqa: BLE001 - whatever a voice meets in a text, the next one is spoken
        return Sound(b"", 0, order.carry, f"{type(error).__name__}: {error}")
    return Sound(data, len(samples) // 2 * 1000 // SAMPLE_RATE, carry)


def _read(source: BinaryIO) -> bytes:
    head = source.read(SIZE.size)
    return source.read(SIZE.unpack(head)[0]) if len(head) == SIZE.size else b""


def _write(target: BinaryIO, value: Here | Sound) -> None:
    said = msgspec.msgpack.encode(value)
    target.write(SIZE.pack(len(said)) + said)
    target.flush()


def main() -> None:
    """Say what is here, once it is loaded; then make sounds until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    # What libraries print must not come between sounds.
    sounds = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    here = engines.available()
    for engine in here:
        engines.warm(engine)
    _write(sounds, Here(here, formats.available()))
    # Nobody hears what a worker that was killed had asked for.
    with suppress(BrokenPipeError):
        while raw := _read(sys.stdin.buffer):
            _write(sounds, make(msgspec.msgpack.decode(raw, type=Order)))


if __name__ == "__main__":
    main()
