"""
The one module that touches privates of aiohttp's client: a body's bytes where they arrive, and no more.

aiohttp is locked; what changes there breaks here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader


class _Tap:
    """
    Stands where aiohttp keeps the future of a task that waits for bytes, and takes them in its place.

    aiohttp's parser is in the middle of its work then: nothing here may make it go on, as `read_nowait` does.
    """

    def __init__(self, content: Any, take: Callable[[bytes], bool]) -> None:
        self._content = content
        self._take = take
        #: True once *take* has had enough, False at the body's end.
        self.over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def done(self) -> bool:
        """Nothing is taken any more, as after a cancellation."""
        return self.over.done()

    def set_result(self, _: None) -> None:
        """Bytes have come, or the end of one of HTTP's chunks, or of the body."""
        content, over = self._content, self.over
        try:
            while content._buffer and not over.done():
                data = content._buffer.popleft()
                content._size -= len(data)
                content._cursor += len(data)
                splits = content._http_chunk_splits
                while splits and splits[0] < content._cursor:
                    splits.popleft()
                if not self._take(data) and not over.done():
                    over.set_result(True)
        except Exception as error:  # noqa: BLE001 - raised where the reader waits
            self.set_exception(error)
        if over.done():
            return
        if content._eof:
            over.set_result(False)
        else:
            content._waiter = self

    def set_exception(self, error: BaseException) -> None:
        """The connection broke, or what came could not be taken."""
        if not self.over.done():
            self.over.set_exception(error)
            # Whoever waits may be cancelled in this moment, and then never look at it.
            self.over.exception()


async def hand_over(content: StreamReader, take: Callable[[bytes], bool]) -> bool:
    """
    Give *take* all that arrives, in the socket's own callback, until it answers False.

    Gives False at the body's end. Raises what *take* raises, and what `content.readany` would.
    """
    unread: Any = content
    while unread._buffer:
        # Read in the ordinary way, which lets a connection go on that was paused.
        if not take(content.read_nowait()):
            return True
    if (error := content.exception()) is not None:
        raise error
    if content.is_eof():
        return False
    tap = _Tap(content, take)
    unread._waiter = tap
    try:
        return await tap.over
    finally:
        if unread._waiter is tap:
            unread._waiter = None
