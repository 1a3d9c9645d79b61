"""The fake upstream: requests as it saw them, and answers under way; all of one rate hang on one timer."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.kit.upstream_frames import Act, Step, Stop, stamp_frame

#: What falls due within this shares a wake-up.
_TICK_S = 0.001


class Seen(msgspec.Struct, kw_only=True):
    """One request, as it looked from here. Moments are seconds since the epoch."""

    number: int
    arrived: float
    client_port: int
    authorization: str | None
    body: dict[str, Any]
    #: Steps written so far: deltas, and one for the answer's end.
    steps: int = 0
    #: When the client was seen to have gone although its answer was not whole.
    disconnected: float | None = None
    #: When the answer was whole, or cut as it was told to be.
    ended: float | None = None

    @property
    def message(self) -> str:
        """The last thing the user said."""
        said = [m for m in self.body.get("messages") or [] if m.get("role") == "user"]
        content = said[-1].get("content") if said else ""
        if isinstance(content, list):
            content = "".join(part.get("text") or "" for part in content)
        return content if isinstance(content, str) else ""

    @property
    def stop(self) -> Stop:
        """The sequences before which the answer is to end."""
        stop = self.body.get("stop")
        return tuple(stop) if isinstance(stop, list) else stop

    @property
    def called(self) -> bool:
        """Whether the last message is a tool's result."""
        return bool((self.body.get("messages") or [{}])[-1].get("role") == "tool")

    @property
    def prefix(self) -> str:
        """The answer's beginning that it is to go on from."""
        last = (self.body.get("messages") or [{}])[-1]
        return str(last.get("content") or "") if last.get("role") == "assistant" else ""


_STAMP_BEFORE, _STAMP_AFTER = stamp_frame()


class Answer:
    """A streamed answer under way."""

    def __init__(self, transport: asyncio.Transport, steps: Sequence[Step], seen: Seen) -> None:
        self._transport = transport
        self._steps = steps
        self._seen = seen
        #: Loop time of the next step.
        self.due = 0.0
        #: How it ended, once it has.
        self.over: asyncio.Future[Act] = asyncio.get_running_loop().create_future()

    def step(self) -> bool:
        """Go one step; False when there is none any more."""
        step = self._steps[self._seen.steps]
        if isinstance(step, bytes):
            self._transport.write(step)
        elif step is Act.STAMP:
            self._transport.write(b"%s%020d%s" % (_STAMP_BEFORE, time.monotonic_ns(), _STAMP_AFTER))
        else:
            if step is not Act.STALL and not self.over.done():
                self.over.set_result(step)
            return False
        self._seen.steps += 1
        return True


class Pace:
    """
    All answers of one rate, on one timer.

    Each is due a period after its last step, so appending keeps the queue in order.
    """

    def __init__(self, rate: float) -> None:
        self._period_s = 1 / rate
        self._queue: deque[Answer] = deque()
        self._ticking = False

    def add(self, answer: Answer) -> None:
        """*answer* goes its first step now."""
        loop = asyncio.get_running_loop()
        if answer.over.done() or not answer.step():
            return
        answer.due = loop.time() + self._period_s
        self._queue.append(answer)
        if not self._ticking:
            self._ticking = True
            loop.call_at(answer.due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        queue, period_s, now = self._queue, self._period_s, loop.time()
        while queue and queue[0].due <= now:
            answer = queue.popleft()
            if not answer.over.done() and answer.step():
                answer.due += period_s
                queue.append(answer)
        self._ticking = bool(queue)
        if queue:
            loop.call_at(max(queue[0].due, now + _TICK_S), self._tick, loop)
