"""The processes that make sound: each does one thing at a time, and one that dies is replaced."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from shared.failures import SpeechFailed
from worker.speech.child import SIZE
from worker.speech.orders import Here, Order, Sound

_T = TypeVar("_T")
_ROOT = Path(__file__).parents[2]
#: A sentence takes a fraction of a second; loading what it is made with, a second or two.
_ANSWER_WITHIN_S = 30.0
_START_WITHIN_S = 60.0

logger = structlog.get_logger("worker.speech.pool")


class _Child:
    """One process, once `start` has returned."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, order: Order) -> Sound:
        """Raises `OSError`, `EOFError` or `TimeoutError` where the process is of no more use."""
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            if self._process is None:
                await self.start()
            if self._process is None or self._process.stdin is None:
                raise EOFError
            said = msgspec.msgpack.encode(order)
            self._process.stdin.write(SIZE.pack(len(said)) + said)
            await self._process.stdin.drain()
            return msgspec.msgpack.decode(await self._answer(self._process), type=Sound)

    async def start(self) -> Here:
        """Returns what it has once it is ready; raises as `ask`."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.speech.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        async with asyncio.timeout(_START_WITHIN_S):
            return msgspec.msgpack.decode(await self._answer(self._process), type=Here)

    async def end(self) -> None:
        """Whatever it does just now."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _answer(self, process: asyncio.subprocess.Process) -> bytes:
        if process.stdout is None:
            raise EOFError
        (size,) = SIZE.unpack(await process.stdout.readexactly(SIZE.size))
        return await process.stdout.readexactly(size)


class Pool:
    """Made before anything is asked; `close` ends all processes."""

    def __init__(self, processes: int) -> None:
        self._children = [_Child() for _ in range(processes)]
        self._free: asyncio.Queue[_Child] = asyncio.Queue()
        for child in self._children:
            self._free.put_nowait(child)
        self._owned: set[asyncio.Task[Any]] = set()

    async def start(self) -> Here:
        """Start all of them; gives what they have. Raises `SpeechFailed`."""
        here = Here([], [])
        for child in self._children:
            try:
                here = await child.start()
            except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
                await child.end()
                raise SpeechFailed() from error
        return here

    async def make(self, order: Order) -> Sound:
        """What *order* asks for. Raises `SpeechFailed`."""
        # Done to its end, though nobody wait for it: its process must have answered before the next.
        sound = await self._surely(self._make(order))
        if sound.error:
            logger.warning("a sentence could not be spoken", engine=order.engine, error=sound.error)
            raise SpeechFailed()
        return sound

    async def close(self) -> None:
        """End all of them."""
        for task in self._owned:
            task.cancel()
        await asyncio.gather(*self._owned, return_exceptions=True)
        for child in self._children:
            await child.end()

    async def _make(self, order: Order) -> Sound:
        child = await self._free.get()
        try:
            for is_last in (False, True):
                try:
                    return await child.ask(order)
                except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
                    logger.warning("a process that makes sound has ended", error=type(error).__name__)
                    await child.end()
                    if is_last:
                        raise SpeechFailed() from error
            raise SpeechFailed()
        except asyncio.CancelledError:
            await child.end()
            raise
        finally:
            self._free.put_nowait(child)

    async def _surely(self, work: Coroutine[Any, Any, _T]) -> _T:
        task = asyncio.create_task(work)
        self._owned.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._owned.discard(task)
        if not task.cancelled():
            task.exception()
