"""Where deltas come from: one class a kind of model server, chosen by `models.toml`."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from shared.events import FinishReason, Reasoning, Text, ToolCall, Usage
from worker.backends.pictures import NewPicture


class Prompt(msgspec.Struct, frozen=True):
    """What a backend is asked to answer."""

    #: Chat messages as OpenAI writes them (`{"role", "content", …}`), oldest first.
    messages: Sequence[Mapping[str, Any]]
    max_tokens: int | None = None
    #: Further request fields to pass on as they are (tools, temperature, …).
    parameters: Mapping[str, Any] = {}
    #: Answer text that is already written: go on right after it. Only for models that can continue.
    prefix: str = ""
    #: The server's name for the model, where the client has said it; else the model's own.
    model: str = ""


class Finished(msgspec.Struct, frozen=True):
    """
    The model's last word: why it stopped, also in its own word, and, where it says so, what it counted.

    Usage that is `estimated` was given in part; the rest is 0.
    """

    finish_reason: FinishReason
    usage: Usage | None = None
    upstream_reason: str | None = None


Delta = Text | Reasoning | ToolCall | NewPicture | Finished

#: Takes the deltas of one network read where they arrive; False where it does not take them.
Take = Callable[[Sequence[Delta]], bool]


class Backend(Protocol):
    """One model's server."""

    def stream(self, prompt: Prompt, take: Take | None = None) -> AsyncGenerator[Sequence[Delta], None]:
        """
        Generate: yields the deltas of one network read at a time, `Finished` last. A read without any,
        which is a sign of life, gives an empty list.

        Where *take* is given, what it takes is not yielded: deltas in the middle of an answer can reach
        it without waking whoever reads here. It is called in order with what is yielded, never while a
        yielded list is being looked at, and what it raises is raised here.

        Closing the iterator, or cancelling the task that reads it, closes the upstream
        connection at once. Raises the `UpstreamError` family of `shared/failures.py`;
        whoever reads it keeps time and decides on retries.
        """
        ...

    async def models(self) -> Sequence[str]:
        """The names of the models that the server lists. Raises `UpstreamError`."""
        ...

    async def close(self) -> None:
        """Give back connections; nothing may be streaming any more."""
        ...
