"""What is ready to be written to one reader: frames up to a bound, and the wake-up of whoever writes them."""

import asyncio
import time


class Outbox:
    """`put` from the relay's side, `take` and `wait` from the handler's; never holds more than its bound."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._frames: list[bytes] = []
        #: Bytes in `_frames`.
        self.size = 0
        #: Kept because asking for it is a system call, and this is done for every event.
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] | None = None
        self._oldest_ts: int | None = None
        self.idle_since = time.monotonic()
        #: When the oldest event of the last `take` was made, in ms; None for a replay.
        self.taken_ts: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether its reader has written everything and waits for more."""
        return self._wake is not None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._frames

    def fits(self, frames: bytes) -> bool:
        """Whether *frames* may be put; into an empty one, whatever their size."""
        return not self._frames or self.size + len(frames) <= self._most_bytes

    def put(self, frames: bytes, ts: int | None = None) -> None:
        """Add *frames*, of a live event that was made at *ts*."""
        if ts is not None and self._oldest_ts is None:
            self._oldest_ts = ts
        if frames:
            self._frames.append(frames)
            self.size += len(frames)

    def drop(self) -> None:
        """Forget what has not been taken."""
        self._frames.clear()
        self.size = 0

    def take(self) -> bytes:
        """All that is ready."""
        data = b"".join(self._frames)
        self.drop()
        self.taken_ts, self._oldest_ts = self._oldest_ts, None
        self.idle_since = time.monotonic()
        return data

    def rouse(self) -> None:
        """Wake whoever waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until `rouse`, or for *timeout_s* at most."""
        self._wake = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self.rouse) if timeout_s is not None else None
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()
