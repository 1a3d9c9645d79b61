"""
Looks for a text in an owner's conversations: every title, then the messages, the last used first.

No index is kept; instead the work is bounded, and whoever asked is told when it ended early. Between two
pages of messages the streams of this process have their turn.
"""

from typing import NamedTuple

import msgspec

from shared.conversations import Conversations
from shared.headline import Conversation
from shared.messages import Message
from shared.place import Place

#: Messages that one search reads.
_MOST_MESSAGES = 20_000
#: Characters of a snippet before and after the beginning of what was found.
_BEFORE, _AFTER = 40, 120


class Hit(msgspec.Struct, frozen=True):
    """Which message was found."""

    generation_id: str | None
    role: str


class Listed(Conversation, frozen=True):
    """A conversation in a list; where a message was found, which, and the line that it was found in."""

    snippet: str | msgspec.UnsetType = msgspec.UNSET
    hit: Hit | msgspec.UnsetType = msgspec.UNSET


class Findings(NamedTuple):
    """What was found, the place to go on from, and whether some messages were not looked at."""

    conversations: list[Listed]
    more: Place | None
    incomplete: bool


async def find(
    conversations: Conversations, owner: str, query: str, count: int, before: Place | None = None
) -> Findings:
    """At most *count* conversations in which *query* stands, of those further down than *before*."""
    wanted = query.casefold()
    found: list[Listed] = []
    last: Place | None = None
    read = 0
    listed, _ = await conversations.recent(owner, conversations.most, before)
    for place, conversation in listed:
        if len(found) == count:
            return Findings(found, last, read >= _MOST_MESSAGES)
        hit = wanted in conversation.title.casefold()
        said: Message | None = None
        if not hit and read < _MOST_MESSAGES:
            async for page in conversations.pages(owner, conversation.id):
                read += len(page)
                said = next((m for m in reversed(page) if wanted in m.content.casefold()), None)
                if said is not None or read >= _MOST_MESSAGES:
                    break
        if hit or said is not None:
            last = place
            found.append(listed_as(conversation, said, wanted))
    return Findings(found, None, read >= _MOST_MESSAGES)


def listed_as(conversation: Conversation, said: Message | None = None, wanted: str = "") -> Listed:
    """The conversation as a list has it, found by *wanted*, which is case-folded, in what was *said*."""
    fields = msgspec.structs.asdict(conversation)
    if said is None:
        return Listed(**fields)
    hit = Hit(said.generation_id, said.role)
    return Listed(**fields, snippet=excerpt(said.content, wanted), hit=hit)


def excerpt(text: str, wanted: str) -> str:
    """The line of *text* that *wanted*, which is case-folded, begins in, cut to what stands around it."""
    at = _index(text, wanted)
    begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    end = len(text) if end < 0 else end
    first, last = max(begin, at - _BEFORE), min(end, at + _AFTER)
    line = " ".join(text[first:last].split())
    return ("…" if first > begin else "") + line + ("…" if last < end else "")


def _index(text: str, wanted: str) -> int:
    """Where *wanted* begins in *text*, some of whose letters are longer when they are case-folded."""
    left = text.casefold().index(wanted)
    for at, letter in enumerate(text):
        left -= len(letter.casefold())
        if left < 0:
            return at
    return 0
