"""`multimodal`: chunks say what they are pieces of, and their stream breaks and resumes like any other."""

import asyncio
from typing import Any

import pytest

from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.reader import Frame, Reader

TEXT = """Look: ![a mill](https://example.org/mill.png), then
```python
print("```")
```
| gate | level |
|---|---|
| upper | 1.2 |
| lower \\| last | 0.7 |

`![no](image)`, done."""


def typed(frames: list[Frame]) -> list[Any]:
    """Type, content and data of its chunks; neighbours that say the same joined."""
    pieces: list[Any] = []
    for frame in frames:
        if frame.type != "chunk":
            continue
        kind, content, data = frame.data["contentType"], frame.data["content"], frame.data.get("data")
        if not content and not pieces:
            continue
        if pieces and pieces[-1][0] == kind and (kind == "table" or pieces[-1][2] == data):
            _, said, known = pieces.pop()
            content = said + content
            if kind == "table":
                data = {"tableData": known["tableData"] + (data or {})["tableData"]}
        pieces.append((kind, content, data))
    return [piece for piece in pieces if piece[1]]


async def ask(chat: ChatClient, **options: Any) -> Reader:
    """A typed answer, whole."""
    return await chat.ask(script(**{"text": TEXT, "rate": 0, "length": 1000, **options}), multimodal=True)


async def test_pieces(chat: ChatClient) -> None:
    """Each kind by its name, with its data; joined, the model's text."""
    answer = await ask(chat)
    assert typed(answer.frames) == [
        ("text", "Look: ", None),
        ("image", "![a mill](https://example.org/mill.png)", {"imageUrl": "https://example.org/mill.png"}),
        ("text", ", then\n", None),
        ("text", "```python\n", {"markup": True}),
        ("code", 'print("```")\n', {"language": "python"}),
        ("text", "```\n", {"markup": True}),
        (
            "table",
            "| gate | level |\n|---|---|\n| upper | 1.2 |\n| lower \\| last | 0.7 |\n",
            {"tableData": [["gate", "level"], ["upper", "1.2"], ["lower | last", "0.7"]]},
        ),
        ("text", "\n`![no](image)`, done.", None),
    ]
    assert answer.text == TEXT
    tokens = [frame.data["metadata"]["tokens"] for frame in answer.frames if frame.type == "chunk"]
    assert sum(tokens) == answer.end.data["metadata"]["usage"]["completion_tokens"]


async def test_every_id_resumes(chat: ChatClient, elsewhere: ChatClient) -> None:
    """After any frame, also one of several that a single event gave, from any gateway; ids are unlike."""
    answer = await ask(chat, batch=40)
    ids = [frame.id for frame in answer.frames]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    assert any("." in str(at) for at in ids), "or this proves less"
    for number, frame in enumerate(answer.frames[:-1]):
        async with await (chat, elsewhere)[number % 2].resume(answer.generation_id, frame.id) as reader:
            assert await reader.all() == answer.frames[number + 1 :]


async def test_cut_while_it_runs(chat: ChatClient, elsewhere: ChatClient) -> None:
    """A reader that is cut at any frame and comes back elsewhere has every piece once."""

    async def cut_after(count: int) -> list[Frame]:
        async with await chat.send(
            script(text=TEXT, length=1000, rate=60, batch=7), multimodal=True
        ) as first:
            for _ in range(count):
                await first.next()
            first.cut()
        async with await elsewhere.resume(first.generation_id, first.last_id) as second:
            return first.frames + await second.all()

    whole = typed((await ask(chat)).frames)
    for frames in await asyncio.gather(*(cut_after(count) for count in range(1, 12))):
        assert typed(frames) == whole


async def test_any_reader_may_ask_for_it(chat: ChatClient) -> None:
    """`?multimodal=` decides for a reader, whatever the message said; an odd value is refused."""
    plain = await chat.ask(script(text=TEXT, length=1000, rate=0))
    where = f"/api/chat/{plain.generation_id}/stream"
    async with await chat.open("GET", f"{where}?multimodal=true") as reader:
        assert typed(await reader.all()) == typed((await ask(chat)).frames)
    assert "contentType" not in str(plain.frames)
    async with await chat.open("GET", f"{where}?multimodal=false") as reader:
        assert await reader.all() == plain.frames
    assert (await chat.call("GET", f"{where}?multimodal=perhaps")).error["field"] == "multimodal"
    message = {"message": script(text=TEXT, length=1000, rate=0)}
    async with await chat.open("POST", "/api/chat/stream?multimodal=true", json=message) as reader:
        assert typed(await reader.all()) == typed((await ask(chat)).frames)
    assert (await chat.call("POST", "/api/chat/stream?multimodal=2", json=message)).status == 400
    assert (await chat.call("GET", f"{where}?after=1-2.1")).error["field"] == "after"
    assert (await chat.call("GET", f"{where}?multimodal=1&after=1-2.01")).error["field"] == "after"


async def test_a_conversation_stream(local: Local, session: Any) -> None:
    """A conversation's stream is typed where its reply is, and resumes within an event."""
    await local.start()
    chat = ChatClient(session, local.url)
    message = script(text=TEXT, length=1000, rate=0, batch=100, stall_after=len(TEXT.split()))
    async with await chat.send(message, conversation_id="c1", multimodal=True) as first:
        await first.until("chunk")
        async with await chat.open("GET", "/api/conversations/c1/stream") as follower:
            await follower.until("chunk", 3)
        last = follower.last_id
        assert last is not None
        assert "/" in last
        async with await chat.open("GET", f"/api/conversations/c1/stream?after={last}") as again:
            await chat.cancel(first.generation_id)
            rest = await again.all()
        whole = await first.all()
        assert typed(follower.frames + rest) == typed(whole)


@pytest.mark.parametrize("model", ["scripted", "upstream"])
@pytest.mark.parametrize("stop", [["done", "gate |"], '"```', "\n|--", "](https", ["``"], "nowhere"])
async def test_a_stop_sequence(chat: ChatClient, model: str, stop: str | list[str]) -> None:
    """A reply that a stop sequence has cut, wherever that stood, is typed up to there."""
    stops = [stop] if isinstance(stop, str) else stop
    cut = min((TEXT.partition(each)[0] for each in stops), key=len)
    options = {"text": TEXT, "rate": 0, "length": 1000}
    asked = {"model": model, "messages": [{"role": "user", "content": script(**options)}], "stop": stop}
    whole = await chat.call("POST", "/v1/chat/completions", json=asked)
    [choice] = whole.body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (cut, "stop")
    where = f"/api/chat/{whole.headers['X-Generation-Id']}/stream?multimodal=true"
    async with await chat.open("GET", where) as reader:
        frames = await reader.all()
    assert reader.text == cut
    assert "".join(content for _, content, _ in typed(frames)) == cut
