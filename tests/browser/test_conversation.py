"""What a reader does with a conversation: send, stop, ask again, ask otherwise."""

from contextlib import AsyncExitStack

from aiohttp import ClientSession
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text


async def test_send(chat: ChatPage, api: ChatClient) -> None:
    """
    A message is answered in full, and the page's text is that of the log; it is shown as it arrives, in
    order, with how fast it comes.
    """
    await chat.send(script(rate=30, length=60))
    await chat.begun(3)
    early = await chat.said()
    await chat.begun(12)
    await expect(chat.reply).to_contain_text("tokens/s")
    later = await chat.said()
    whole = expected_text({"length": 60})
    assert len(early) < len(later) < len(whole)
    assert whole.startswith(early) and whole.startswith(later)
    await chat.whole()
    assert await chat.said() == whole
    conversation = await api.conversation(chat.conversation_id)
    status = await api.status(conversation["messages"][-1]["generation_id"])
    assert whole == status["text"]
    await expect(chat.reply).to_contain_text("60 tokens")
    await expect(chat.box).to_be_focused()
    await expect(chat.box).to_be_empty()


async def test_stop(chat: ChatPage, system: System, http: ClientSession) -> None:
    """Stop closes the stream to the model at once; what was said stays, also after a reload."""
    await chat.choose_model("upstream")
    message = script(rate=20, length=2000, seed=7)
    await chat.send(message)
    await chat.begun(5)
    await chat.stop_button.click()
    await chat.whole(timeout_s=3)
    said = await chat.said()
    assert said and expected_text({"length": 2000, "seed": 7}).startswith(said)
    await expect(chat.reply).to_contain_text("You stopped this reply.")
    [seen] = [seen for seen in await system.asked(http) if seen["body"]["messages"][-1]["content"] == message]
    assert seen["disconnected"] is not None
    await chat.reload()
    await expect(chat.reply).to_contain_text("You stopped this reply.")
    assert await chat.said() == said


async def test_regenerate(chat: ChatPage, api: ChatClient) -> None:
    """Another reply takes the old one's place, here and on the server."""
    await chat.ask("Hello")
    first = await api.conversation(chat.conversation_id)
    await chat.reply.get_by_role("button", name="Regenerate").click()
    await expect(chat.replies).to_have_count(1)

    async def is_another() -> bool:
        now = await api.conversation(chat.conversation_id)
        roles = [message["role"] for message in now["messages"]]
        ids = {message["generation_id"] for message in now["messages"]}
        return roles == ["user", "assistant"] and ids.isdisjoint(
            message["generation_id"] for message in first["messages"]
        )

    await eventually(is_another, "the server has another reply in its place")
    await chat.whole()


async def test_edit(chat: ChatPage, api: ChatClient) -> None:
    """
    Escape leaves everything as it was. A message sent again with another text takes the place of all that
    came after it.
    """
    await chat.ask(script(length=5, seed=1))
    await chat.ask(script(length=5, seed=2))
    await chat.questions.first.hover()
    await chat.questions.first.get_by_role("button", name="Edit message").click()
    await chat.page.get_by_role("textbox", name="Edit your message").fill("Something else")
    await chat.page.keyboard.press("Escape")
    await expect(chat.questions).to_contain_text([script(length=5, seed=1), script(length=5, seed=2)])
    assert await chat.said() == expected_text({"length": 5, "seed": 2})
    await chat.questions.first.get_by_role("button", name="Edit message").click()
    editor = chat.page.get_by_role("textbox", name="Edit your message")
    await expect(editor).to_be_focused()
    await editor.fill(script(length=5, seed=3))
    await chat.page.get_by_role("button", name="Send again").click()
    await expect(chat.questions).to_have_count(1)
    await expect(chat.text).to_have_text(expected_text({"length": 5, "seed": 3}))
    await chat.whole()
    conversation = await api.conversation(chat.conversation_id)
    assert [message["content"] for message in conversation["messages"]] == [
        script(length=5, seed=3),
        expected_text({"length": 5, "seed": 3}),
    ]


async def test_model(chat: ChatPage, api: ChatClient) -> None:
    """The model chosen answers, and is still the one chosen after a reload."""
    await chat.choose_model("plain")
    await chat.ask("Hello")
    conversation = await api.conversation(chat.conversation_id)
    assert conversation["messages"][-1]["model"] == "plain"
    await chat.reload()
    await expect(chat.page.get_by_role("combobox", name="Model")).to_have_value("plain")


async def test_queue(chat: ChatPage, api: ChatClient) -> None:
    """One who waits sees at which place, and then the reply."""
    await chat.choose_model("single")
    async with AsyncExitStack() as stack:
        # Two run, one at each worker, and one waits.
        ahead = [
            await stack.enter_async_context(await api.send(script(rate=5, length=1000), model="single"))
            for _ in range(3)
        ]
        await chat.send(script(length=10))
        await expect(chat.reply).to_contain_text("Number 2 in the queue")
        for reader in ahead:
            await api.cancel(reader.generation_id)
    await chat.whole()
    assert await chat.said() == expected_text({"length": 10})


async def test_failure_before_the_first_word(chat: ChatPage, system: System) -> None:
    """Says what happened and what to do next; trying again, once the cause is gone, gives the reply."""
    await chat.choose_model("upstream")
    await chat.send(script(status=400, fail_times=1, length=10))
    await expect(chat.failure).to_contain_text("The model\u2019s server refused this message")
    await expect(chat.failure).to_contain_text("Change your message, or choose another model.")
    await expect(chat.failure).not_to_contain_text("kept")
    await chat.failure.get_by_role("button", name="Try again").click()
    await chat.whole()
    await expect(chat.failure).to_have_count(0)
    await expect(chat.questions).to_have_count(1)
    assert await chat.said() == expected_text({"length": 10})


async def test_failure_in_mid_reply(chat: ChatPage) -> None:
    """What had been said stays, with the failure, also after a reload; a retry gives the whole reply."""
    await chat.choose_model("upstream")
    await chat.send(script(length=30, garbage_after=10, fail_times=1))
    await expect(chat.failure).to_contain_text("The model broke off")
    await expect(chat.failure).to_contain_text("What had been said is kept.")
    said = expected_text({"length": 10})
    assert await chat.said() == said
    await chat.reload()
    await expect(chat.failure).to_contain_text("The model broke off")
    assert await chat.said() == said
    await chat.failure.get_by_role("button", name="Try again").click()
    await expect(chat.text).to_have_text(expected_text({"length": 30}))
    await chat.whole()
    await expect(chat.failure).to_have_count(0)
    await expect(chat.questions).to_have_count(1)
