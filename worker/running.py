"""
One generation under way in this process, and what may interrupt it: Stop, another attempt, a time limit,
or that nobody watches any more.
"""

import asyncio

from shared.events import CancelReason
from shared.failures import GenerationFailed
from shared.queue import Claim
from worker.appender import LogWriter


class Stopped(Exception):
    """The generation was stopped, for `reason`."""

    def __init__(self, reason: CancelReason, at: float) -> None:
        super().__init__(reason)
        self.reason = reason
        #: Loop time at which the worker learned of it.
        self.at = at


class Fenced(Exception):
    """Another attempt owns the generation: say nothing more."""


Interruption = Stopped | Fenced | GenerationFailed


class Running:
    """One generation under way: its claim, its writer, and the task that may be interrupted."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.writer: LogWriter | None = None
        self.interruption: Interruption | None = None
        self._task: asyncio.Task[None] | None = None
        self._claimed_at = self._watched_at = self.confirmed_at = asyncio.get_running_loop().time()
        #: Whether no gateway listened when last looked.
        self.abandoned = False

    @property
    def elapsed_s(self) -> float:
        """Since the first claim: by the broker's time up to this one, then by ours."""
        return self.claim.begun_s + asyncio.get_running_loop().time() - self._claimed_at

    async def interruptible(self, task: "asyncio.Task[None]") -> None:
        """Wait for *task*; raises the interruption that ended it, if one did."""
        self._task = task
        try:
            if self.interruption is not None:
                task.cancel()
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._task = None
        if self.interruption is not None:
            interruption = self.interruption
            if isinstance(interruption, GenerationFailed):
                self.interruption = None  # a time-out ends one upstream request, not the generation
            try:
                raise interruption
            finally:
                del interruption, task  # whatever is raised refers to this frame
        try:
            await task
        finally:
            del task

    def interrupt(self, why: Interruption) -> None:
        """Stop what runs, once; the first reason counts."""
        if self.interruption is None:
            self.interruption = why
            if self._task is not None:
                self._task.cancel()

    def stop(self, reason: CancelReason) -> None:
        """Somebody wants it stopped."""
        self.interrupt(Stopped(reason, asyncio.get_running_loop().time()))

    def end(self) -> None:
        """Let go of what refers back to it, the whole log with it: else only the garbage collector would."""
        self.writer = self.interruption = None

    def fence(self) -> None:
        """Another attempt owns it."""
        if self.writer is not None:
            self.writer.fence()
        self.interrupt(Fenced())

    def watched(self, listeners: int, grace_s: float) -> None:
        """*listeners* gateways watch it; with none for *grace_s*, its policy decides."""
        now = asyncio.get_running_loop().time()
        self.abandoned = not listeners
        if listeners:
            self._watched_at = now
        elif self.claim.generation.on_disconnect == "cancel" and now - self._watched_at >= grace_s:
            self.stop("abandoned")
