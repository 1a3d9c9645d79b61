"""The bytes of one answer: what they are, by their beginning, and how long more of them are waited for."""

import asyncio
from collections.abc import Callable
from typing import Literal

import aiohttp

from shared.failures import UpstreamBroke
from worker.backends.aiohttp_private import hand_over
from worker.backends.completion import Completion

#: After its finish_reason an upstream may still send usage and `[DONE]`; some then never close.
_LAST_WORDS_S = 2.0
#: The same for a server that was seen to go on after a finish_reason.
_PATIENCE_S = 10.0
#: Once all is said, the body's end is usually on its way, and having read it keeps the connection.
_EOF_S = 0.02

_FIELDS = (b":", b"data:", b"data\n", b"data\r", b"event:", b"id:", b"retry:", b"error:")

Kind = Literal["events", "json", "words"]


def kind_of(head: bytes) -> Kind | None:
    """What an answer is that begins with *head*, whatever label it has; None while that cannot be told."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return None
    if head[:1] in b"{[":
        return "json"
    if head[:1] == b"<":
        return "words"
    if head.startswith(_FIELDS):
        return "events"
    return None if any(field.startswith(head) for field in _FIELDS) else "words"


class Reads:
    """The network reads of one answer, up to its end."""

    def __init__(self, content: aiohttp.StreamReader, completion: Completion, patience_s: float) -> None:
        """A whole answer's last words are never waited for longer than *patience_s*."""
        self._content = content
        self._completion = completion
        self._patience_s = patience_s
        self._waits_since: float | None = None

    async def each(self, take: Callable[[bytes], bool]) -> bool:
        """
        The fast way, while nothing is unusual: *take* gets each read where it arrives, and no task is woken,
        until it answers False. Gives False once the body has ended in order.

        Raises what *take* raises, and `UpstreamBroke` where the body breaks off.
        """
        try:
            return await hand_over(self._content, take)
        except (aiohttp.ClientError, OSError) as error:
            raise _broke(error) from error

    async def next(self) -> bytes:
        """
        What the network brings next; nothing once the body has ended in order, or a whole answer's last
        words are overdue. Raises `UpstreamBroke` where it breaks off.
        """
        try:
            return await (self._last_words() if self._completion.ended else self._content.readany())
        except (aiohttp.ClientError, OSError) as error:
            if self._completion.ended:
                return b""
            raise _broke(error) from error

    async def up_to(self, most: int) -> bytes:
        """All that follows, or just beyond *most* bytes of it. Raises `UpstreamBroke`."""
        try:
            return await read_up_to(self._content, most)
        except (aiohttp.ClientError, OSError) as error:
            raise _broke(error) from error

    async def _last_words(self) -> bytes:
        completion = self._completion
        # From the last delta, not from the last read: comments may come for ever.
        if self._waits_since is None or completion.spoke:
            self._waits_since = asyncio.get_running_loop().time()
        wait_s = _EOF_S if completion.complete else _PATIENCE_S if completion.goes_on else _LAST_WORDS_S
        async with asyncio.timeout_at(self._waits_since + min(wait_s, self._patience_s)):
            return await self._content.readany()


def _broke(error: BaseException) -> UpstreamBroke:
    """The body keeps *error*, which knew by its traceback all that waited for it, and so the body."""
    error.__traceback__ = None
    return UpstreamBroke()


async def read_up_to(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read to the end, or until just beyond *most* bytes."""
    body = bytearray()
    while len(body) <= most and (read := await content.readany()):
        body += read
    return bytes(body)
