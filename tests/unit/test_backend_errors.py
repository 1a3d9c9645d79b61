"""The OpenAI-compatible backend: every failure has its error, and says what the upstream said."""

import time
from email.utils import formatdate

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.failures import (
    InsufficientQuota,
    UpstreamError,
    UpstreamFailed,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from shared.models import Model
from tests.kit.backend import bare_server, prompt, read_until_error, script
from tests.kit.upstream import FakeUpstream
from worker.backends.completion import Completion
from worker.backends.errors import refusal
from worker.backends.openai_compatible import OpenAICompatible


async def test_what_is_not_http_is_invalid() -> None:
    """A port that speaks something else is told from one that is closed."""
    async with bare_server([b"SSH-2.0-OpenSSH_9.2\r\n"]) as base_url:
        backend = OpenAICompatible(Model(base_url=base_url), "m")
        _, error = await read_until_error(backend, prompt())
        await backend.close()
    assert type(error) is UpstreamInvalid


async def test_an_error_frame_says_its_message(backend: OpenAICompatible) -> None:
    """The upstream's own words reach the reader."""
    _, error = await read_until_error(backend, script(error_frame_after=1, message="out of memory"))
    assert error.message == "out of memory"


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (429, UpstreamRateLimited),
        (500, UpstreamFailed),
        (503, UpstreamFailed),
        (408, UpstreamFailed),
        (400, UpstreamRejected),
        (402, InsufficientQuota),
        (404, UpstreamRejected),
        (307, UpstreamRejected),
    ],
)
async def test_each_status_has_its_error(
    backend: OpenAICompatible, status: int, error_type: type[UpstreamError]
) -> None:
    """Whether trying again may help follows from the status."""
    _, error = await read_until_error(backend, script(status=status))
    assert type(error) is error_type


async def test_retry_after_is_passed_on(backend: OpenAICompatible) -> None:
    """A server that says when to come back is believed, in seconds or as a date."""
    _, error = await read_until_error(backend, script(status=503, retry_after="7"))
    assert error.retry_after_s == 7
    date = formatdate(time.time() + 60, usegmt=True)
    _, error = await read_until_error(backend, script(status=429, retry_after=date))
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
    error = refusal(status, {}, b'{"error": {"message": "Incorrect key: sk-1"}}')
    assert isinstance(error, UpstreamUnauthorized)
    assert "Incorrect" not in error.message
    assert not error.retryable


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Hello</body></html>", "Sign in"),
        (b"upstream connect error", "upstream connect error"),
    ],
)
async def test_a_proxys_page_is_no_answer(body: bytes, says: str) -> None:
    """With status 200, and whatever label it has: its own words are said."""
    for kind in (b"text/html", b"text/event-stream", b"application/json"):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % kind
        async with bare_server([head + body]) as base_url:
            backend = OpenAICompatible(Model(base_url=base_url), "m")
            _, error = await read_until_error(backend, prompt())
            await backend.close()
        assert type(error) is UpstreamInvalid
        assert says in error.message


async def test_nobody_listening_is_refused() -> None:
    """A server that is down is told from one that fails."""
    async with FakeUpstream() as gone:
        backend = OpenAICompatible(Model(base_url=gone.url), "m")
    _, error = await read_until_error(backend, prompt())
    assert type(error) is UpstreamRefused
    await backend.close()


async def test_an_unknown_host_is_refused() -> None:
    """A name that does not resolve counts as not reached."""
    backend = OpenAICompatible(Model(base_url="http://upstream.invalid/v1"), "m")
    _, error = await read_until_error(backend, prompt())
    assert type(error) is UpstreamRefused
    await backend.close()


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
