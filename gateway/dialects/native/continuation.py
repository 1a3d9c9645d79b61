"""
A reply that its length has cut goes on from its own text.

The new generation's log begins with what the reply has, marked as `given`; at its end both are one message,
which is the new generation's.
"""

import msgspec

from gateway.edge.state import State
from shared.errors import Busy, ModelCannotContinue, NotContinuable, NotFound
from shared.generation import Submission
from shared.messages import CutReply, Message


async def continuation(state: State, asked: Submission, continues: str, model: str | None) -> Submission:
    """
    *asked* as what goes on with the reply of generation *continues*, by *model*, else the one that gave it.

    Raises `NotFound` for a reply that is not in the asker's conversation, `Busy` while that is answered,
    `NotContinuable` for one that is not its last message or not cut, `ModelCannotContinue`. A request that
    came before is as it was: it attaches to what it has begun.
    """
    if await state.generations.known(asked) is not None:
        return asked
    cut = await _cut_reply(state, asked.owner, asked.conversation_id or "", continues)
    chosen = (
        model or (cut.model if cut.model and state.models.get(cut.model) else None) or state.models.default
    )
    if not state.models.serving(chosen).continues:
        raise ModelCannotContinue(field="model")
    given = CutReply(
        generation_id=continues,
        text=cut.content,
        reasoning=cut.reasoning,
        reasoning_ms=cut.reasoning_ms,
        usage=cut.usage,
    )
    request = msgspec.structs.replace(asked.request, continued=given)
    return msgspec.structs.replace(asked, model=chosen, queue=state.models.queue_of(chosen), request=request)


async def _cut_reply(state: State, owner: str, conversation_id: str, continues: str) -> Message:
    conversation = await state.conversations.load(owner, conversation_id)
    if conversation is None:
        raise NotFound("There is no conversation of that id.", field="conversation_id")
    active = conversation.active and await state.generations.load(conversation.active)
    if active and not active.ended:
        raise Busy(field="conversation_id", detail={"generation_id": active.id})
    last = await state.conversations.last(owner, conversation_id)
    if last is None or last.generation_id != continues:
        async for page in state.conversations.pages(owner, conversation_id):
            if any(message.generation_id == continues for message in page):
                raise NotContinuable(field="continues")
        raise NotFound("The conversation has no reply of that generation.", field="continues")
    if last.role != "assistant" or last.finish_reason != "length":
        raise NotContinuable(field="continues")
    if not last.content or last.tool_calls:
        raise NotContinuable("There is no text to go on from.", field="continues")
    return last
