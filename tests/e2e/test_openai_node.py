"""OpenAI's JavaScript client, as published, at a running `headrace up`."""

from typing import Any

import pytest

from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import script
from tests.kit.node_clients import play
from worker.backends.script import expected_text

LENGTH = 12


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The clients of `tests/node` are installed."""
    node_clients.install()


def request(message: str, **fields: Any) -> dict[str, Any]:
    """A chat completion of one message."""
    return {"model": "scripted", "messages": [{"role": "user", "content": message}], **fields}


async def test_a_streamed_completion(url: str) -> None:
    """The client puts the chunks together into the whole answer, with its finish reason and usage."""
    asked = request(script(length=LENGTH), stream_options={"include_usage": True})
    seen = await play("openai_chat", url=url, request=asked)
    (choice,) = seen["completion"]["choices"]
    assert choice["message"]["content"] == expected_text({"length": LENGTH})
    assert choice["finish_reason"] == "stop"
    assert seen["completion"]["usage"]["completion_tokens"] == LENGTH
    assert len({chunk["id"] for chunk in seen["chunks"]}) == 1
    assert seen["chunks"][0]["choices"][0]["delta"]["role"] == "assistant"


async def test_a_whole_completion(url: str) -> None:
    """Without `stream` the client gets one object with the text, the reason and the usage."""
    seen = await play("openai_chat", url=url, request=request(script(length=LENGTH)), whole=True)
    (choice,) = seen["completion"]["choices"]
    assert choice["message"]["content"] == expected_text({"length": LENGTH})
    assert choice["finish_reason"] == "stop"
    assert seen["completion"]["usage"]["completion_tokens"] == LENGTH


async def test_a_streamed_tool_call(url: str) -> None:
    """The client puts a tool call's pieces together into one with whole arguments."""
    seen = await play("openai_chat", url=url, request=request(script(length=2, tool_call=True)))
    (choice,) = seen["completion"]["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("read_level", '{"gate": "upper"}')
    assert choice["finish_reason"] == "tool_calls"


async def test_a_refusal(url: str) -> None:
    """What we refuse is the client's own error class, with our code and the parameter at fault."""
    refused = {**request("Hello"), "n": 2}
    seen = await play("openai_chat", url=url, request=refused, maxRetries=2)
    assert (seen["error"]["name"], seen["error"]["status"]) == ("BadRequestError", 400)
    assert seen["error"]["param"] == "n"
    assert seen["error"]["headers"]["x-should-retry"] == "false"
    assert seen["seen"] == [400]


async def test_a_failure_in_mid_stream(url: str) -> None:
    """A generation that fails after its first token is an error to the client, not an end."""
    asked = request(script(length=9, fail_after=3, fail_code="upstream_rejected"))
    seen = await play("openai_chat", url=url, request=asked)
    assert seen["error"]["code"] == "upstream_rejected"


async def test_a_streamed_response(url: str) -> None:
    """The client puts a response's events together into the response."""
    asked = {"model": "scripted", "input": script(length=LENGTH, reasoning=2)}
    seen = await play("openai_responses", url=url, request=asked)
    assert seen["response"]["status"] == "completed"
    assert seen["response"]["output_text"] == expected_text({"length": LENGTH})
    numbers = [event["sequence_number"] for event in seen["events"]]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("leave_after", [1, 4, 9])
async def test_a_response_taken_up_elsewhere(system: System, url: str, leave_after: int) -> None:
    """P1: a background response that was left goes on at another gateway after `starting_after`."""
    asked = {"model": "scripted", "input": script(length=LENGTH, rate=40)}
    elsewhere = system.elsewhere
    seen = await play("openai_responses", url=url, elsewhere=elsewhere, request=asked, leaveAfter=leave_after)
    numbers = [event["sequence_number"] for event in seen["events"]]
    assert numbers == list(range(len(numbers)))
    deltas = [event["delta"] for event in seen["events"] if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == seen["response"]["output_text"] == expected_text({"length": LENGTH})


async def test_a_response_cancelled_elsewhere(system: System, url: str) -> None:
    """P5: a background response is cancelled from any gateway, as often as one likes."""
    asked = {"model": "scripted", "input": script(stall_after=2)}
    elsewhere = system.elsewhere
    seen = await play("openai_responses", url=url, elsewhere=elsewhere, request=asked, cancel=True)
    assert (seen["receipt"]["status"], seen["again"]["status"]) == ("cancelled", "cancelled")
