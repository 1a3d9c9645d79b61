"""What is sent upstream: the request's own messages, or the conversation, cut to what the model may read."""

from collections.abc import Sequence
from typing import Any

import structlog

from shared.conversations import Conversations
from shared.failures import InternalFailure
from shared.generation import Generation, Request
from shared.messages import Message, count_tokens, joined, message_tokens
from shared.models import Model
from worker.attachments import as_prompted, with_blobs
from worker.backends import Prompt
from worker.state import Tools
from worker.upstreams import Upstream

logger = structlog.get_logger("worker.prompt")


async def prompt_of(
    generation: Generation,
    request: Request,
    turn: Message | None,
    upstream: Upstream,
    tools: Tools,
    prefix: str,
) -> Prompt:
    """
    A request's own messages, else those of its conversation, the last of them *turn*, unless a reply is
    continued; a system prompt before them.

    A conversation grows without end, so of its messages the newest that fit are sent, whoever keeps
    them, those of the user in a row as one; a request that stands alone is sent as it is. Pictures are
    sent to an upstream that takes them, files as what is in them.
    """
    model = upstream.model
    messages: Sequence[dict[str, Any]] = request.messages
    if generation.conversation is not None:
        # A client that sends its history knows better than our record of it: it may have edited turns.
        if not messages:
            continued = request.continued.generation_id if request.continued else None
            messages = await _history(
                generation.owner, generation.conversation, model, tools.conversations, continued, turn
            )
        room = model.max_context_tokens - (count_tokens(prefix) if prefix else 0)
        sees = "pictures" in upstream.place.takes
        messages = joined(await with_blobs(newest(messages, room), generation.owner, tools.blobs, sees=sees))
    instructions = [said for said in (model.system_prompt, request.system_prompt) if said]
    if instructions:
        messages = [{"role": "system", "content": "\n\n".join(instructions)}, *messages]
    return Prompt(
        messages=messages,
        max_tokens=request.max_tokens or model.max_tokens,
        parameters=request.parameters,
        prefix=prefix,
    )


async def _history(
    owner: str,
    conversation_id: str,
    model: Model,
    conversations: Conversations,
    continued: str | None,
    turn: Message | None,
) -> Sequence[dict[str, Any]]:
    """
    The newest messages, no more pages of them than the model can read; but for the reply of *continued*,
    which goes on. *turn* is among them: a broker that fails over may have lost it since the job was
    claimed, and an answer to what was said before, or to nothing, would look like one.
    """
    history: list[dict[str, Any]] = []
    tokens, found = 0, turn is None
    own = None if turn is None else turn.generation_id
    async for page in conversations.pages(owner, conversation_id):
        found = found or any(message.role == "user" and message.generation_id == own for message in page)
        said = [
            prompted
            for message in page
            if not (message.role == "assistant" and message.generation_id == continued)
            for prompted in as_prompted(message)
        ]
        history = [*said, *history]
        tokens += sum(message_tokens(message) for message in said)
        if tokens > model.max_context_tokens:
            break
    if turn is not None and not found:
        logger.warning("its message is not in its conversation", conversation=conversation_id)
        history += as_prompted(turn)
    if not history:
        raise InternalFailure("What was to be answered has been lost.")
    return history


def prompt_tokens(prompt: Prompt) -> int:
    """Our own count of a prompt, for when the upstream gives none."""
    return sum(message_tokens(message) for message in prompt.messages)


def newest(messages: Sequence[dict[str, Any]], max_tokens: int) -> Sequence[dict[str, Any]]:
    """
    System messages, and the newest others that fit: at least the last, with the call that it answers.

    No tool's result is kept without its call: model servers refuse it.
    """
    instructions = [message for message in messages if message["role"] == "system"]
    said = [message for message in messages if message["role"] != "system"]
    last = len(said) - 1
    while last > 0 and said[last]["role"] == "tool":
        last -= 1
    budget = max_tokens - sum(message_tokens(message) for message in (*instructions, *said[last:]))
    first = last
    while first > 0 and (budget := budget - message_tokens(said[first - 1])) >= 0:
        first -= 1
    while first < last and said[first]["role"] == "tool":
        first += 1
    return [*instructions, *said[max(first, 0) :]]
