"""Short answers, ten asked for at once all the time: what beginning and ending one costs."""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping

from tests.bench.children import Failed
from tests.bench.load import open_stream, script
from tests.bench.targets import Target

_AT_ONCE = 10
_ANSWERED_WITHIN_S = 20
#: Tokens of an answer.
LENGTHS = (1, 16)

#: Requests a second by what was asked for.
Rates = Mapping[str, float]


def name_of(tokens: int, *, whole: bool) -> str:
    """What an answer is called in tables."""
    return f"{tokens} {'whole' if whole else 'streamed'}"


async def rates(
    contenders: Mapping[str, Target], rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[str, Rates]:
    """Medians of *rounds* in which all take turns; without whole answers of those that give none."""
    measured: dict[str, dict[str, list[float]]] = {name: {} for name in contenders}
    for number in range(rounds):
        say(f"short answers, round {number + 1} of {rounds}")
        for tokens in LENGTHS:
            message = script(rate=0, length=tokens)
            for name, target in contenders.items():
                for whole in (False, True):
                    ask = target.ask_whole if whole else target.ask
                    if ask is None:
                        continue
                    what = name_of(tokens, whole=whole)
                    try:
                        rate = await _requests_a_second(target.port, ask(message), seconds)
                    except TimeoutError:
                        raise Failed(f"{name} did not end an answer: {what}") from None
                    measured[name].setdefault(what, []).append(rate)
    return {
        name: {what: statistics.median(found) for what, found in by_what.items()}
        for name, by_what in measured.items()
    }


async def _requests_a_second(port: int, request: bytes, seconds: float) -> float:
    answered = 0
    began = time.monotonic()

    async def ask_on() -> None:
        nonlocal answered
        while time.monotonic() - began < seconds:
            stream = await open_stream(port, request)
            async with asyncio.timeout(_ANSWERED_WITHIN_S):
                await stream.over
            if not stream.ok:
                raise Failed(f"a short answer was refused: {stream.head.decode(errors='replace')}")
            answered += 1

    await asyncio.gather(*(ask_on() for _ in range(_AT_ONCE)))
    return answered / (time.monotonic() - began)
