"""One request to one upstream: what its time limits are, when they wait for us, and what it came to."""

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from shared.events import Event, Picture, Text
from shared.failures import UpstreamBroke
from shared.models import Model
from shared.parts import Part
from worker import asking
from worker.asking import Asking
from worker.backends import Delta, Finished, Prompt
from worker.backends.pictures import NewPicture

DONE = Finished(finish_reason="stop")


class Limits:
    """A deadline that only remembers: what it was given, and when something came."""

    def __init__(self, expire: Any, **limits: Any) -> None:
        self.limits = limits
        self.touched: list[float] = []

    def __enter__(self) -> "Limits":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing expires."""

    def touch(self, now: float) -> None:
        """A delta, or a pause of ours."""
        self.touched.append(now)

    @property
    def waits(self) -> bool:
        """Whether silence counts for nothing."""
        return self.touched[-1] == math.inf


class Asked:
    """A request whose upstream sends *reads*, one after another; what became of it is in `said`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *reads: Sequence[Delta], wanted: bool = True) -> None:
        self.said: list[str] = []
        self.put: list[Event] = []
        #: Called before each read but the first.
        self.between: Callable[[], None] = lambda: None
        self._reads = reads
        model = Model(base_url="http://x", total_timeout_s=50, between_tokens_timeout_s=7, silence=9)
        upstream: Any = SimpleNamespace(
            entry="asked", model=model, backend=self, failed=lambda error: self.said.append(error.code)
        )
        upstream.closed = lambda: self.said.append("closed")
        upstream.succeeded = lambda at: self.said.append("ok")
        running: Any = SimpleNamespace(elapsed_s=20.0)

        def limits(expire: Any, **given: Any) -> Limits:
            self.limits = Limits(expire, **given)
            return self.limits

        monkeypatch.setattr(asking, "Deadline", limits)
        self.asking = Asking(
            upstream,
            Prompt(messages=[{"role": "user", "content": "x"}]),
            running,
            patience_s=3,
            begins=lambda _: wanted,
            put=self.put.append,
            store=self._store,
            spent=lambda: 0,
        )

    async def run(self, unacknowledged: int = 0) -> None:
        """All of it, with so many events that the broker has not taken."""
        writer: Any = SimpleNamespace(unacknowledged=unacknowledged)

        async def durable(at_most: int) -> None:
            self.said.append(f"waits for {at_most}: {self.limits.waits}")
            writer.unacknowledged = at_most

        writer.durable = durable
        await self.asking.run(writer, 10)

    async def stream(self, prompt: Prompt, take: Any) -> AsyncGenerator[Sequence[Delta], None]:
        """What it answers."""
        for number, read in enumerate(self._reads):
            if number:
                self.between()
            yield read

    async def _store(self, picture: NewPicture) -> Picture:
        self.said.append(f"stores: {self.limits.waits}")
        return Picture(ts=1, part=Part(type="image", blob="0"))


async def test_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the first delta what it was given, for all what earlier attempts have left of it."""
    asked = Asked(monkeypatch, [Text(1, "a"), DONE])
    await asked.run()
    limits = {name: limit if name == "silence_s" else limit[0] for name, limit in asked.limits.limits.items()}
    assert limits == {"first": 3, "between": 7, "total": 30, "silence_s": 9}
    assert asked.said == ["ok"]


async def test_what_we_do_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a picture is stored, and while the broker is behind, no limit runs; afterwards it does again."""
    waited: list[bool] = []
    asked = Asked(monkeypatch, [Text(1, "a")], [NewPicture(1)], [DONE])
    asked.between = lambda: waited.append(asked.limits.waits)
    await asked.run(unacknowledged=11)
    assert asked.said == ["waits for 5: True", "stores: True", "ok"]
    assert waited == [False, False]


async def test_one_that_comes_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants its answer: nothing of it is written, and it is closed, neither well nor failed."""
    asked = Asked(monkeypatch, [Text(1, "a")], [DONE], wanted=False)
    await asked.run()
    assert (asked.said, asked.put, asked.asking.billed) == (["closed"], [], None)


async def test_one_without_a_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has broken off."""
    asked = Asked(monkeypatch, [Text(1, "a")])
    with pytest.raises(UpstreamBroke):
        await asked.run()
    assert asked.said == ["upstream_broke"]
