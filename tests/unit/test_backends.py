"""The OpenAI-compatible backend, over real HTTP, against an upstream that answers or fails as told."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    UpstreamBroke,
    UpstreamError,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
)
from shared.events import Reasoning, Text, ToolCall, Usage
from shared.models import Model
from tests.kit.upstream import FakeUpstream
from worker.backends import Delta, Finished, Prompt
from worker.backends.completion import Completion
from worker.backends.errors import refusal
from worker.backends.openai_compatible import OpenAICompatible
from worker.backends.script import expected_text

_TEN_WORDS = expected_text({"length": 10})


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as server:
        yield server


@pytest.fixture
async def backend(upstream: FakeUpstream) -> AsyncIterator[OpenAICompatible]:
    opened = OpenAICompatible(Model(base_url=upstream.url), "our-name")
    yield opened
    await opened.close()


def _prompt(message: str = "hello", **fields: Any) -> Prompt:
    return Prompt(messages=[{"role": "user", "content": message}], **fields)


def _script(**behaviour: Any) -> Prompt:
    return _prompt("/script " + msgspec.json.encode(behaviour).decode())


async def _read(backend: OpenAICompatible, prompt: Prompt) -> list[Delta]:
    return [delta async for deltas in backend.stream(prompt) for delta in deltas]


async def _read_until_error(backend: OpenAICompatible, prompt: Prompt) -> tuple[str, UpstreamError]:
    read: list[Delta] = []
    with pytest.raises(UpstreamError) as caught:
        async for deltas in backend.stream(prompt):
            read += deltas
    assert not any(isinstance(delta, Finished) for delta in read)
    return _text(read), caught.value


@asynccontextmanager
async def _bare_server(writes: Sequence[bytes], pause_s: float = 0) -> AsyncIterator[str]:
    """A server that reads a request, writes this with pauses between, and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for data in writes:
                writer.write(data)
                await asyncio.sleep(pause_s)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/v1"


def _text(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


async def test_text_then_finished_with_usage(backend: OpenAICompatible) -> None:
    """Each delta is one text, and the last word has the finish reason and what the upstream counted."""
    *texts, finished = await _read(backend, _prompt())
    assert len(texts) == 10
    assert _text(texts) == _TEN_WORDS
    assert finished == Finished("stop", Usage(7, 10, 17))


async def test_deltas_come_as_they_are_written(backend: OpenAICompatible) -> None:
    """What has arrived is given out although the answer stands still."""
    stream = backend.stream(_script(text="a b c", stall_after=2))
    read = ""
    while read != "a b":
        read += _text(await anext(stream))
    await stream.aclose()


async def test_reasoning_and_tool_calls_are_kept_apart(backend: OpenAICompatible) -> None:
    """A tool call's id and name come with its first piece."""
    deltas = await _read(backend, _script(length=1, reasoning=2, tool_call=True))
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
    *texts, finished = await _read(backend, _script(**behaviour))
    assert _text(texts) == _TEN_WORDS
    assert finished == Finished("stop", Usage(7, 10, 17))


async def test_usage_may_be_missing(backend: OpenAICompatible) -> None:
    """A server that counts nothing still finishes."""
    assert (await _read(backend, _script(usage=False)))[-1] == Finished("stop", None)


async def test_comments_after_the_end_do_not_hold_it_up() -> None:
    """Only so much time is given to usage that may follow, whatever else keeps coming."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    said = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}],"usage":{}}\n\n'
    async with _bare_server([head + said, *[b": still here\n\n"] * 1000], pause_s=0.01) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        async with asyncio.timeout(1):
            assert _text(await _read(backend, _prompt())) == "hi"
        await backend.close()


async def test_what_is_not_http_is_invalid() -> None:
    """A port that speaks something else is told from one that is closed."""
    async with _bare_server([b"SSH-2.0-OpenSSH_9.2\r\n"]) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        _, error = await _read_until_error(backend, _prompt())
        await backend.close()
    assert type(error) is UpstreamInvalid


async def test_done_without_a_finish_reason_is_a_stop(backend: OpenAICompatible) -> None:
    """`[DONE]` says that nothing is missing."""
    deltas = await _read(backend, _script(finish_reason=None))
    assert deltas[-1] == Finished("stop", Usage(7, 10, 17))


@pytest.mark.parametrize("behaviour", [{}, {"done": False}])
async def test_an_upstream_that_never_closes_cannot_hold_the_answer(
    backend: OpenAICompatible, behaviour: dict[str, Any]
) -> None:
    """Once all is said, its silence is waited for a moment only."""
    async with asyncio.timeout(1):
        deltas = await _read(backend, _script(stall_at_end=True, **behaviour))
    assert isinstance(deltas[-1], Finished)


async def test_missing_usage_is_waited_for_a_bounded_time(backend: OpenAICompatible) -> None:
    """After the finish reason usage may follow, but an answer does not hang on it."""
    async with asyncio.timeout(4):
        deltas = await _read(backend, _script(stall_at_end=True, done=False, usage=False))
    assert deltas[-1] == Finished("stop", None)


@pytest.mark.parametrize(
    ("behaviour", "error_type"),
    [
        ({"break_after": 3}, UpstreamBroke),
        ({"break_after": 3, "break_inside": "line"}, UpstreamBroke),
        ({"break_after": 3, "break_inside": "utf8"}, UpstreamBroke),
        ({"end_after": 3}, UpstreamBroke),
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
    text, error = await _read_until_error(backend, _script(**behaviour))
    assert text == expected_text({"length": 3})
    assert type(error) is error_type


async def test_a_reset_connection_is_a_broken_answer(backend: OpenAICompatible) -> None:
    """A reset may take what was on its way with it, but is never taken for an end."""
    text, error = await _read_until_error(backend, _script(break_after=3, break_by_reset=True, rate=200))
    assert expected_text({"length": 3}).startswith(text)
    assert type(error) is UpstreamBroke


async def test_an_error_frame_says_its_message(backend: OpenAICompatible) -> None:
    """The upstream's own words reach the reader."""
    _, error = await _read_until_error(backend, _script(error_frame_after=1, message="out of memory"))
    assert error.message == "out of memory"


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (429, UpstreamRateLimited),
        (500, UpstreamFailed),
        (503, UpstreamFailed),
        (408, UpstreamFailed),
        (400, UpstreamRejected),
        (404, UpstreamRejected),
        (307, UpstreamRejected),
    ],
)
async def test_each_status_has_its_error(
    backend: OpenAICompatible, status: int, error_type: type[UpstreamError]
) -> None:
    """Whether trying again may help follows from the status."""
    _, error = await _read_until_error(backend, _script(status=status))
    assert type(error) is error_type


async def test_retry_after_is_passed_on(backend: OpenAICompatible) -> None:
    """A server that says when to come back is believed, in seconds or as a date."""
    _, error = await _read_until_error(backend, _script(status=503, retry_after="7"))
    assert error.retry_after_s == 7
    date = formatdate(time.time() + 60, usegmt=True)
    _, error = await _read_until_error(backend, _script(status=429, retry_after=date))
    assert error.retry_after_s is not None
    assert 55 < error.retry_after_s <= 60


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ({}, None),
        # By the server's own clock, which may be another.
        ({"Date": "Mon, 06 Jul 2026 10:00:00 GMT", "Retry-After": "Mon, 06 Jul 2026 10:00:09 GMT"}, 9),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
    ],
)
def test_nonsense_in_retry_after_is_no_wait(headers: dict[str, str], retry_after_s: float | None) -> None:
    """What cannot be understood counts as not said, and the past as now."""
    assert refusal(429, headers, b"").retry_after_s == retry_after_s


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "no such model"}}', "no such model"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"detail": "no such model"}', "no such model"),
        (b'{"object": "error", "message": "no\\n such\\u0000model"}', "no such model"),
        (b'{"error": {"message": "key sk-proj-abc123def is over quota"}}', "key [redacted] is over quota"),
        (b"<html>not found</html>", "The model server rejected the request."),
        (b"\xff", "The model server rejected the request."),
        (b'{"error": {"message": "' + b"x" * 1000 + b'"}}', "x" * 299 + "…"),
    ],
)
def test_a_refusals_words_are_short_and_without_secrets(body: bytes, message: str) -> None:
    """A client reads the upstream's words, but no key and no page of HTML."""
    assert refusal(404, {}, body).message == message


@pytest.mark.parametrize("status", [401, 403])
def test_nothing_is_said_about_our_key(status: int) -> None:
    """What is wrong with it is the operator's business."""
    assert "sk-" not in refusal(status, {}, b'{"error": {"message": "Incorrect key: sk-1"}}').message


async def test_an_answer_of_another_type_is_invalid(backend: OpenAICompatible) -> None:
    """A proxy's page with status 200 is no answer."""
    _, error = await _read_until_error(backend, _script(content_type="text/html"))
    assert type(error) is UpstreamInvalid


async def test_nobody_listening_is_refused() -> None:
    """A server that is down is told from one that fails."""
    async with FakeUpstream() as gone:
        backend = OpenAICompatible(Model(base_url=gone.url), "m")
    _, error = await _read_until_error(backend, _prompt())
    assert type(error) is UpstreamRefused
    await backend.close()


async def test_an_unknown_host_is_refused() -> None:
    """A name that does not resolve counts as not reached."""
    backend = OpenAICompatible(Model(base_url="http://upstream.invalid/v1"), "m")
    _, error = await _read_until_error(backend, _prompt())
    assert type(error) is UpstreamRefused
    await backend.close()


@pytest.mark.parametrize(
    "behaviour", [{"never_answer": True}, {"stall_after": 0}, {"stall_after": 2}, {"rate": 100}]
)
async def test_cancelling_is_seen_by_the_upstream_at_once(
    backend: OpenAICompatible, upstream: FakeUpstream, behaviour: dict[str, Any]
) -> None:
    """Whatever it was doing, it learns within milliseconds that nobody wants the answer."""
    reading = asyncio.create_task(_read(backend, _script(**behaviour, length=1000)))
    await upstream.until(lambda: bool(upstream.requests))
    cancelled = time.time()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.until(lambda: upstream.requests[0].disconnected is not None)
    assert upstream.requests[0].disconnected is not None
    assert upstream.requests[0].disconnected - cancelled < 0.05


async def test_closing_the_iterator_is_seen_by_the_upstream_at_once(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A reader that stops in mid-answer leaves nothing running."""
    stream = backend.stream(_script(rate=100, length=1000))
    await anext(stream)
    closed = time.time()
    await stream.aclose()
    await upstream.until(lambda: upstream.requests[0].disconnected is not None)
    assert upstream.requests[0].disconnected is not None
    assert upstream.requests[0].disconnected - closed < 0.05


async def test_a_whole_answer_leaves_its_connection_for_the_next(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A new TLS handshake for each reply would cost more than the first token."""
    for _ in range(3):
        await _read(backend, _prompt())
    assert len({seen.client_port for seen in upstream.requests}) == 1


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(
    backend: OpenAICompatible, upstream: FakeUpstream
) -> None:
    """A server may close a kept connection just as it is used again; a new one is taken at once."""
    script = _script(close_unannounced=True)
    for _ in range(3):
        assert _text(await _read(backend, script)) == _TEN_WORDS
    assert len(upstream.requests) == 5


async def test_a_new_connection_that_is_closed_is_a_broken_answer() -> None:
    """Only a kept connection is given the benefit of the doubt."""
    async with _bare_server([]) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        _, error = await _read_until_error(backend, _prompt())
        await backend.close()
    assert type(error) is UpstreamBroke


async def test_the_request_says_all_that_the_model_and_the_prompt_do(upstream: FakeUpstream) -> None:
    """The prompt's parameters win over the model's, and neither over what is ours."""
    model = Model(
        base_url=upstream.url + "/",
        upstream_model="theirs",
        max_tokens=100,
        parameters={"temperature": 0.3, "top_p": 0.9},
    )
    backend = OpenAICompatible(model, "ours")
    await _read(backend, _prompt(max_tokens=5, parameters={"temperature": 1, "stream": False, "model": "x"}))
    await backend.close()
    assert upstream.requests[0].body == {
        "model": "theirs",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 5,
        "temperature": 1,
        "top_p": 0.9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_model_may_name_the_limit_differently_and_refuse_stream_options(
    upstream: FakeUpstream,
) -> None:
    """Newer OpenAI models know no `max_tokens`, older servers no `stream_options`."""
    parameters = {"max_completion_tokens": 50, "stream_options": {}}
    backend = OpenAICompatible(Model(base_url=upstream.url, parameters=parameters), "ours")
    await _read(backend, _prompt(max_tokens=5))
    await backend.close()
    body = upstream.requests[0].body
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert "stream_options" not in body


async def test_a_prefix_is_gone_on_from(backend: OpenAICompatible, upstream: FakeUpstream) -> None:
    """The beginning goes along as the assistant's last message, to be continued."""
    script = _script(text="one two three")
    *texts, _ = await _read(backend, msgspec.structs.replace(script, prefix="one two"))
    assert _text(texts) == " three"
    body = upstream.requests[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "one two"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


async def test_the_key_comes_from_its_variable(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys stand in the environment, never in a file of ours."""
    monkeypatch.setenv("SOME_KEY", " sk-test\n")
    backend = OpenAICompatible(Model(base_url=upstream.url, api_key_env="SOME_KEY"), "m")
    await _read(backend, _prompt())
    await backend.close()
    assert upstream.requests[0].authorization == "Bearer sk-test"


@pytest.mark.parametrize("value", [None, "", "two\nlines", "schlüssel"])
def test_a_missing_or_broken_key_is_refused_by_its_variables_name(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without its key says so when it starts, not with its first reply."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(ValueError, match="SOME_KEY"):
        OpenAICompatible(Model(base_url="http://127.0.0.1", api_key_env="SOME_KEY"), "m")


@pytest.mark.parametrize("base_url", ["", "localhost:8000", "ftp://example.org", "http://"])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    """A wrong base_url is found when the worker starts."""
    with pytest.raises(ValueError, match="base_url"):
        OpenAICompatible(Model(base_url=base_url), "m")


async def test_a_fault_may_pass_after_some_requests(backend: OpenAICompatible) -> None:
    """The fake upstream can fail first and then answer, as retries need it."""
    script = _script(fail_times=1, status=503)
    await _read_until_error(backend, script)
    assert _text(await _read(backend, script)) == _TEN_WORDS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "usage", "error", "index", "finish_reason"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_JSON.map(msgspec.json.encode) | st.binary(max_size=30), max_size=5))
def test_arbitrary_payloads_raise_nothing_but_upstream_errors(payloads: list[bytes]) -> None:
    """No chunk, however odd, is an error of ours."""
    try:
        Completion().take(payloads, [])
    except UpstreamError:
        return


@given(st.integers(300, 599), _JSON.map(msgspec.json.encode) | st.binary(max_size=50))
def test_arbitrary_refusals_are_understood(status: int, body: bytes) -> None:
    """No refusal, however odd, is an error of ours."""
    assert refusal(status, {}, body).message
