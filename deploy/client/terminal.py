"""`headrace chat`: one answer, or a conversation, in a terminal."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TextIO

from .client import HeadraceClient, HeadraceError, Reply
from .events import Chunk, Ended, Failed, Interrupted, Part, Queued, Reset
from .harmless import Harmless
from .player import MISSING, command, play

#: How a shell counts a program that Ctrl-C ended.
CANCELLED = 128 + signal.SIGINT
#: A message that no server has accepted by then needs no cancelling.
_ACCEPTED_WITHIN_S = 3.0
#: What to say of an answer that may be less than the model's whole word.
_NOT_WHOLE = {
    "length": "cut off: the answer reached its longest",
    "content_filter": "cut off: the model server's filter",
    "tool_calls": "the model calls tools, which are not here",
    "unknown": "the model server did not say that this is the end",
}


class Chat:
    """A conversation with one server. What is said goes to *out*, what happens to *notes*."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        conversation: str | None = None,
        model: str | None = None,
        speak: bool = False,
        out: TextIO | None = None,
        notes: TextIO | None = None,
    ) -> None:
        self._client = HeadraceClient(url, api_key=api_key)
        self._url = url.rstrip("/")
        self._conversation = conversation
        self._model = model
        self._speaks = speak
        self._out = out or sys.stdout
        self._notes = notes or sys.stderr
        self._harmless = Harmless()
        #: Whether the cursor stands after some text.
        self._midline = False

    def run(self, message: str | None) -> int:
        """Answer *message*, or talk until the input ends; the exit status."""
        # A loop that is only run while an answer streams leaves Ctrl-C at the prompt to `input`.
        with asyncio.Runner() as runner:
            runner.run(self._client.__aenter__())
            try:
                if not runner.run(self._is_there()):
                    return 1
                if message is not None:
                    return runner.run(self.answer(message))
                return self._talk(runner)
            finally:
                runner.run(self._client.__aexit__())

    def _talk(self, runner: asyncio.Runner) -> int:
        with suppress(ImportError):
            import readline  # noqa: F401  # gives `input` its line editing
        while True:
            try:
                message = input("> ")
            except (EOFError, KeyboardInterrupt):
                print()
                return 0
            if message.strip():
                runner.run(self.answer(message))

    async def _is_there(self) -> bool:
        try:
            await self._client.reach()
        except HeadraceError as error:
            self._note(f"headrace: {error}")
            self._note(
                "Start it with `headrace up` (`make up` in a checkout), or name another with --url URL"
            )
            return False
        return True

    async def answer(self, message: str) -> int:
        """Stream one answer. Ctrl-C cancels it on the server, a second one leaves at once."""
        reply = self._client.start(message, conversation_id=self._conversation, model=self._model)
        reading = asyncio.create_task(self._read(reply))
        speaking = asyncio.create_task(self._speak(reply))
        cancelling: list[asyncio.Task[None]] = []

        def interrupted() -> None:
            if cancelling or reading.done():
                reading.cancel()
                speaking.cancel()
            else:
                cancelling.append(asyncio.create_task(self._cancel(reply, reading)))

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, interrupted)
        try:
            status = await reading
            if status == 0:
                await speaking
            return status
        except asyncio.CancelledError:
            return CANCELLED
        except HeadraceError as error:
            self._note(f"headrace: {error}")
            return 1
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            for task in (speaking, *cancelling):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            self._conversation = reply.conversation_id or self._conversation

    async def _read(self, reply: Reply) -> int:
        async for event in reply:
            match event:
                case Chunk():
                    self._say(event.text)
                case Part(part={"lost": why}):
                    self._note(f"[a picture was lost: {str(why).replace('_', ' ')}]")
                case Part(part=part):
                    self._note(f"[a picture: {self._url}/api/blobs/{part.get('blob')}]")
                case Queued():
                    self._note(f"[waiting, place {event.place} in the queue]")
                case Reset():
                    self._note("[the answer starts over]")
                case Interrupted():
                    self._note(f"[{event.reason}; connecting again in {event.retry_s:.1f} s]")
                case Failed():
                    self._note(f"headrace: {event.message} ({event.code})")
                    return 1
                case Ended(finish_reason="cancelled"):
                    self._note("[cancelled]")
                    return CANCELLED
                case Ended(finish_reason=reason) if reason in _NOT_WHOLE:
                    self._note(f"[{_NOT_WHOLE[reason]}]")
        self._say("", end=True)
        return 0

    async def _speak(self, reply: Reply) -> None:
        """Have it spoken while it is written, where that is wanted and can be."""
        if not self._speaks:
            return
        if (player := command()) is None:
            self._note(f"[{MISSING}]")
            return
        await reply.accepted()
        try:
            if status := await play(self._client.speech(reply.generation_id or "", "pcm"), player):
                self._note(f"[not heard to its end: {player[0]} has ended with {status}]")
        except (HeadraceError, OSError) as error:
            self._note(f"[not spoken: {error}]")

    async def _cancel(self, reply: Reply, reading: asyncio.Task[int]) -> None:
        self._note("[cancelling; Ctrl-C again to leave at once]")
        try:
            async with asyncio.timeout(_ACCEPTED_WITHIN_S):
                await reply.accepted()
        except TimeoutError:
            reading.cancel()
            return
        try:
            await reply.cancel()
        except HeadraceError as error:
            self._note(f"headrace: could not cancel: {error}")
            reading.cancel()

    def _say(self, text: str, *, end: bool = False) -> None:
        clean = self._harmless.clean(text)
        if clean:
            self._midline = not clean.endswith("\n")
        if end and self._midline:
            clean += "\n"
            self._midline = False
        self._out.write(clean)
        self._out.flush()

    def _note(self, line: str) -> None:
        # Into a file or a pipe goes the answer alone, as it is.
        if self._out.isatty():
            self._say("", end=True)
        print(Harmless().clean(line), file=self._notes, flush=True)
