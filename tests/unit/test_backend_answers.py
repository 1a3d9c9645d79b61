"""The OpenAI-compatible backend, over real HTTP: answers in all the ways in which servers write them."""

import asyncio
from typing import Any

import pytest

from shared.events import Reasoning, Text, ToolCall, Usage
from shared.failures import UpstreamBroke, UpstreamError, UpstreamFailed, UpstreamInvalid
from shared.models import Model
from tests.kit.backend import TEN_WORDS, bare_server, prompt, read, read_until_error, script, text_of
from worker.backends import Finished
from worker.backends.openai_compatible import OpenAICompatible
from worker.backends.script import expected_text


async def test_text_then_finished_with_usage(backend: OpenAICompatible) -> None:
    """Each delta is one text, and the last word has the finish reason and what the upstream counted."""
    *texts, finished = await read(backend, prompt())
    assert len(texts) == 10
    assert text_of(texts) == TEN_WORDS
    assert finished == Finished("stop", Usage(7, 10, 17), "stop")


async def test_deltas_come_as_they_are_written(backend: OpenAICompatible) -> None:
    """What has arrived is given out although the answer stands still."""
    stream = backend.stream(script(text="a b c", stall_after=2))
    read = ""
    while read != "a b":
        read += text_of(await anext(stream))
    await stream.aclose()


async def test_reasoning_and_tool_calls_are_kept_apart(backend: OpenAICompatible) -> None:
    """A tool call's id and name come with its first piece."""
    deltas = await read(backend, script(length=1, reasoning=2, tool_call=True))
    assert [type(delta) for delta in deltas] == [Reasoning, Reasoning, Text, *[ToolCall] * 3, Finished]
    calls = [delta for delta in deltas if isinstance(delta, ToolCall)]
    assert (calls[0].id, calls[0].name, calls[1].id) == ("call_fake", "read_level", None)
    assert "".join(call.arguments for call in calls) == '{"gate": "upper"}'
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "behaviour",
    [
        {"crlf": True},
        {"decorated": True},
        {"crlf": True, "decorated": True, "piece_bytes": 1},
        {"rate": 1000, "piece_bytes": 50},
        {"done": False},
        {"whole": True},
    ],
)
async def test_ways_to_write_the_same_answer(backend: OpenAICompatible, behaviour: dict[str, Any]) -> None:
    """Servers differ in line ends, comments, cuts and endings; the answer is the same."""
    *texts, finished = await read(backend, script(**behaviour))
    assert text_of(texts) == TEN_WORDS
    assert finished == Finished("stop", Usage(7, 10, 17), "stop")


async def test_usage_may_be_missing(backend: OpenAICompatible) -> None:
    """A server that counts nothing still finishes."""
    assert (await read(backend, script(usage=False)))[-1] == Finished("stop", None, "stop")


async def test_comments_after_the_end_do_not_hold_it_up() -> None:
    """Only so much time is given to usage that may follow, whatever else keeps coming."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    said = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}],"usage":{}}\n\n'
    async with bare_server([head + said, *[b": still here\n\n"] * 1000], pause_s=0.01) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        async with asyncio.timeout(4):
            assert text_of(await read(backend, prompt())) == "hi"
        await backend.close()


async def test_a_whole_answer_is_not_silent() -> None:
    """Its last words are waited for no longer than a silent server would be; else it would fail as one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    said = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
    async with bare_server([head + said, said, *[b""] * 100], pause_s=0.1) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url, between_tokens_timeout_s=0.6), "m")
        async with asyncio.timeout(1.5):
            assert text_of(await read(backend, prompt())) == "hihi"
        await backend.close()


async def test_done_without_a_finish_reason_is_a_stop(backend: OpenAICompatible) -> None:
    """`[DONE]` says that nothing is missing."""
    deltas = await read(backend, script(finish_reason=None))
    assert deltas[-1] == Finished("stop", Usage(7, 10, 17))


@pytest.mark.parametrize("behaviour", [{}, {"done": False}])
async def test_an_upstream_that_never_closes_cannot_hold_the_answer(
    backend: OpenAICompatible, behaviour: dict[str, Any]
) -> None:
    """Once all is said, its silence is waited for a moment only."""
    async with asyncio.timeout(1):
        deltas = await read(backend, script(stall_at_end=True, **behaviour))
    assert isinstance(deltas[-1], Finished)


async def test_missing_usage_is_waited_for_a_bounded_time(backend: OpenAICompatible) -> None:
    """After the finish reason usage may follow, but an answer does not hang on it."""
    async with asyncio.timeout(4):
        deltas = await read(backend, script(stall_at_end=True, done=False, usage=False))
    assert deltas[-1] == Finished("stop", None, "stop")


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [
        ({"break_after": 0}, UpstreamBroke),
        ({"break_after": 3}, UpstreamBroke),
        ({"break_after": 3, "break_inside": "line"}, UpstreamBroke),
        ({"break_after": 3, "break_inside": "utf8"}, UpstreamBroke),
        ({"error_frame_after": 3}, UpstreamFailed),
        ({"garbage_after": 3}, UpstreamInvalid),
        ({"invalid_utf8_after": 3}, UpstreamInvalid),
        ({"huge_line_after": 3}, UpstreamInvalid),
    ],
)
async def test_a_broken_answer_keeps_its_beginning_and_says_why(
    backend: OpenAICompatible, behaviour: dict[str, Any], error_type: type[UpstreamError]
) -> None:
    """Every way to break has its code, and what came before was given out."""
    text, error = await read_until_error(backend, script(**behaviour))
    assert text == expected_text({"length": next(iter(behaviour.values()))})
    assert type(error) is error_type


async def test_a_reset_connection_is_a_broken_answer(backend: OpenAICompatible) -> None:
    """A reset may take what was on its way with it, but is never taken for an end."""
    text, error = await read_until_error(backend, script(break_after=3, break_by_reset=True, rate=200))
    assert expected_text({"length": 3}).startswith(text)
    assert type(error) is UpstreamBroke


async def test_a_fault_may_pass_after_some_requests(backend: OpenAICompatible) -> None:
    """The fake upstream can fail first and then answer, as retries need it."""
    passing = script(fail_times=1, status=503)
    await read_until_error(backend, passing)
    assert text_of(await read(backend, passing)) == TEN_WORDS
