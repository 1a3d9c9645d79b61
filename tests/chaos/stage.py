"""Everything a storm breaks: a stack behind a link to its own broker, and who is being broken right now."""

import asyncio
import random
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kit.broker import EmbeddedBroker
from tests.kit.cluster import EmbeddedCluster
from tests.kit.link import Link
from tests.kit.program import Program
from tests.kit.stack import Stack


class Stage:
    """
    *gateways* and *workers* around a broker of their own, behind a link, or with *cells* around a cluster;
    faults of
    one part never overlap.
    """

    def __init__(self, gateways: int, workers: int, *, cells: int = 1, **settings: Any) -> None:
        self._sizes = gateways, workers
        self._settings: dict[str, Any] = settings
        self._directory = Path(tempfile.mkdtemp(prefix="headrace-storm-"))
        self.broker = EmbeddedBroker() if cells == 1 else EmbeddedCluster(cells=cells)
        self._cells = cells
        self.broker_is_free = asyncio.Lock()
        self._busy: set[Program] = set()
        #: Connections of clients that have vanished, and what was seen to be wrong while it blew.
        self.gone: list[socket.socket] = []
        self.shame: list[str] = []

    async def __aenter__(self) -> Self:
        self.broker.start()
        self.link: Link | None = None
        if self._cells == 1:
            self.link = Link(self.broker.socket)
            self.link.__enter__()
            self._settings["redis_url"] = f"redis://127.0.0.1:{self.link.port}/0"
        self.stack = Stack(self.broker, self._directory, cells=self._cells, **self._settings)
        await self.stack.begin(*self._sizes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self.gone:
            connection.close()
        for program in self.programs:
            program.kill()
        if self.link is not None:
            self.link.__exit__(None, None, None)
        self.broker.remove()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def programs(self) -> list[Program]:
        """All processes that may be broken."""
        return [*self.stack.gateways, *self.stack.workers]

    @asynccontextmanager
    async def victim(self, kind: str, dice: random.Random) -> AsyncIterator[Program | None]:
        """One process of *kind* that nobody else breaks meanwhile; None where all are taken."""
        programs = self.stack.gateways if kind == "gateway" else self.stack.workers
        # The dice are thrown whatever is free, so that a seed gives one sequence.
        chosen = dice.choice(programs)
        if chosen in self._busy:
            yield None
            return
        self._busy.add(chosen)
        try:
            yield chosen
        finally:
            self._busy.discard(chosen)

    async def end(self) -> list[str]:
        """Drain every process; gives what each has to be ashamed of."""
        shame = list(self.shame)
        for program in self.programs:
            program.signal(signal.SIGTERM)
        for program in self.programs:
            if status := await program.ended(15):
                shame.append(f"{program.module} ended with {status}: {program.log[-500:]}")
            if "Traceback" in program.log:
                at = program.log.index("Traceback")
                shame.append(f"traceback in {program.module}: {program.log[max(0, at - 300) : at + 3000]}")
        return shame
