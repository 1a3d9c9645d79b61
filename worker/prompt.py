"""What is sent upstream: the request's own messages, or the conversation, cut to what the model may read."""

from collections.abc import Sequence
from typing import Any

from shared.conversations import Conversations
from shared.generations import Generation, Request
from shared.models import Model
from worker.backends import Prompt

#: Our own rough count, for bounding a prompt; what an upstream reports always wins.
_CHARS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Roughly how many tokens *text* has."""
    return len(text) // _CHARS_PER_TOKEN + 1


async def prompt_of(
    generation: Generation, request: Request, model: Model, conversations: Conversations, prefix: str
) -> Prompt:
    """
    A request's own messages as they are, else the newest of its conversation that fit, the last one
    always; a system prompt before them.
    """
    messages: Sequence[dict[str, Any]] = request.messages
    # A client that sends its history knows better than our record of it: it may have edited turns.
    if not messages and generation.conversation is not None:
        history = await conversations.messages(generation.owner, generation.conversation)
        messages = [{"role": m.role, "content": m.content} for m in history if m.content]
        messages = _newest(messages, model.max_context_tokens)
    if model.system_prompt:
        messages = [{"role": "system", "content": model.system_prompt}, *messages]
    return Prompt(
        messages=messages,
        max_tokens=request.max_tokens or model.max_tokens,
        parameters=request.parameters,
        prefix=prefix,
    )


def prompt_tokens(prompt: Prompt) -> int:
    """Our own count of a prompt, for when the upstream gives none."""
    return sum(count_tokens(str(message.get("content") or "")) for message in prompt.messages)


def _newest(messages: Sequence[dict[str, Any]], max_tokens: int) -> Sequence[dict[str, Any]]:
    budget = max_tokens
    first = len(messages) - 1
    for i in range(len(messages) - 1, -1, -1):
        budget -= count_tokens(str(messages[i]["content"]))
        if budget < 0:
            break
        first = i
    return messages[max(first, 0) :]
