"""
Looks for a text in an owner's conversations: every title, then the messages, the last used first.

No index is kept; instead the work is bounded, and whoever asked is told when it ended early. Between two
pages of messages the streams of this process have their turn.
"""

from shared.conversations import Conversation, Conversations

#: Messages that one search reads.
_MOST_MESSAGES = 20_000


async def find(
    conversations: Conversations, owner: str, query: str, count: int
) -> tuple[list[Conversation], bool]:
    """At most *count* conversations in which *query* stands, and whether some were not looked into."""
    wanted = query.casefold()
    found: list[Conversation] = []
    read = 0
    for conversation in await conversations.recent(owner, conversations.most):
        if len(found) == count:
            break
        if wanted in conversation.title.casefold():
            found.append(conversation)
            continue
        if read >= _MOST_MESSAGES:
            continue
        async for page in conversations.pages(owner, conversation.id):
            read += len(page)
            if any(wanted in message.content.casefold() for message in page):
                found.append(conversation)
                break
            if read >= _MOST_MESSAGES:
                break
    return found, read >= _MOST_MESSAGES
