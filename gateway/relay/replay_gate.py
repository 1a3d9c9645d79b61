"""
Whose turn it is to read a log: a thousand readers that come back at once must not hold up the live ones.
"""

import asyncio

#: Pages that wait at once to be encoded; bounds what a crowd of readers takes of memory.
_MOST_PAGES = 32


class Turns:
    """Of all subscribers in this process."""

    def __init__(self) -> None:
        #: Held from before a page is read until it is handed over.
        self.pages = asyncio.Semaphore(_MOST_PAGES)
        self._arriving = asyncio.Lock()
        #: Held while a page is encoded. It passes to the next only with the event loop's next round, so that
        #: whatever else is due comes between any two pages.
        self.encoding = asyncio.Lock()

    async def arrive(self) -> None:
        """
        Returns in a round of the event loop in which nobody else arrives. What a crowd costs before it reads
        is short for each, and long for all in one round.
        """
        async with self._arriving:
            await asyncio.sleep(0)
