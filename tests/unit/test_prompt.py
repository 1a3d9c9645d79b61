"""Which messages of a long conversation a model is given."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.generation import Request
from shared.messages import Message, joined
from shared.models import Model
from shared.parts import Part
from worker.attachments import as_prompted
from worker.prompt import newest, prompt_of


def said(role: str, chars: int = 4) -> dict[str, Any]:
    """A message of so many characters."""
    return {"role": role, "content": role[0] * chars}


def call(arguments: str = "{}") -> dict[str, Any]:
    """A message that calls a tool."""
    function = {"name": "read", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "t", "type": "function", "function": function}],
    }


def test_the_newest_that_fit() -> None:
    """Old messages are left out, system messages never."""
    messages = [said("system"), said("user", 400), said("assistant"), said("user")]
    assert newest(messages, 10) == [messages[0], *messages[2:]]


def test_the_last_always() -> None:
    """A message that alone is too long is sent all the same: the model server says what it thinks of it."""
    messages = [said("user"), said("assistant"), said("user", 4000)]
    assert newest(messages, 10) == messages[-1:]


def test_a_result_never_without_its_call() -> None:
    """Where the cut falls between a tool call and its result, both are left out."""
    messages = [said("user"), call("x" * 400), said("tool"), said("assistant"), said("user")]
    assert newest(messages, 10) == messages[3:]


def test_a_result_that_comes_last_keeps_its_call() -> None:
    """A reply that goes on after its tools' results gets them with their calls, however long."""
    messages = [said("user"), call("x" * 400), said("tool", 400), said("tool")]
    assert newest(messages, 10) == messages[1:]


def test_pictures_are_not_counted() -> None:
    """A picture's data is not its length in tokens."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
    messages = [{"role": "user", "content": [picture]}, said("assistant"), said("user")]
    assert newest(messages, 10) == messages


_turns = st.lists(
    st.sampled_from(["user", "assistant", "system"]).map(said)
    | st.just(call())
    | st.integers(0, 40).map(lambda chars: said("tool", chars))
)


@given(_turns, st.integers(0, 60))
def test_any_conversation(messages: list[dict[str, Any]], max_tokens: int) -> None:
    """What is sent is the system messages and an unbroken end of the rest, never begun by a result."""
    others = [message for message in messages if message["role"] != "system"]
    sent = newest(messages, max_tokens)
    kept = [message for message in sent if message["role"] != "system"]
    assert len(sent) - len(kept) == len(messages) - len(others)
    assert kept == others[len(others) - len(kept) :]
    assert bool(kept) == bool(others)
    if any(message["role"] != "tool" for message in others):
        assert not kept or kept[0]["role"] != "tool"


def test_what_a_user_says_in_a_row_is_one_message() -> None:
    """After an answer that was stopped before its first word, strict templates would refuse two."""
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    messages = [said("system"), {"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert joined(messages) == [messages[0], {"role": "user", "content": "a\n\nb"}]
    messages += [said("assistant"), {"role": "user", "content": [picture]}, {"role": "user", "content": "c"}]
    assert joined(messages)[-1]["content"] == [picture, {"type": "text", "text": "c"}]
    assert [message["role"] for message in joined(messages)] == ["system", "user", "assistant", "user"]


async def test_how_much_of_it_is_sent() -> None:
    """
    All that fits, to the last token; what the reply goes on from takes its room. The request says how long it
    may get, else the model.
    """
    nothing: Any = None
    generation: Any = SimpleNamespace(conversation="c1", owner="o")
    upstream: Any = SimpleNamespace(
        model=Model(base_url="http://x", max_context_tokens=6, max_tokens=9),
        place=SimpleNamespace(takes=frozenset()),
    )
    tools: Any = SimpleNamespace(blobs=nothing)
    messages = [said("user"), said("assistant"), said("user")]
    for prefix, kept in (("", 3), ("x", 2), ("x" * 4, 2), ("x" * 8, 1)):
        request = Request(messages=messages)
        prompt = await prompt_of(generation, request, None, upstream, tools, prefix)
        assert (len(prompt.messages), prompt.prefix, prompt.max_tokens) == (kept, prefix, 9), prefix
    request = Request(messages=messages, max_tokens=5)
    assert (await prompt_of(generation, request, None, upstream, tools, "")).max_tokens == 5


def test_what_a_reply_has_drawn() -> None:
    """Its model is shown it as a user's message, for servers take no picture of an assistant's."""
    part, lost = Part(type="image", blob="0" * 64), Part(type="image", lost="too_large")
    content = [{"type": "text", "text": "Your picture:"}, {"type": "blob", "blob": part}]
    for words in ("Here", ""):
        reply = Message(role="assistant", content=words, ts=1, parts=[part, lost])
        first = {"role": "assistant", "content": words or "(a picture)"}
        assert list(as_prompted(reply)) == [first, {"role": "user", "content": content}]
