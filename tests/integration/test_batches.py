"""Events share round trips to the broker, but nobody waits for that."""

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local


async def test_first_words_and_ends_do_not_wait(local: Local, session: ClientSession) -> None:
    """The pause between two appends ends where a reader waits for a first word, or for the end."""
    await local.start(append_interval_s=1000)
    chat = ChatClient(session, local.url)
    for _ in range(2):
        reader = await chat.ask(script(length=1))
        assert [frame.type for frame in reader.frames] == ["start", "chunk", "end"]
