"""The scripted backend says what its options say, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Reasoning, Text, ToolCall
from shared.failures import BetweenTokensTimeout, UpstreamBroke, UpstreamError, UpstreamRejected
from shared.models import Model
from tests.kit.faulty import ALONE
from worker.backends import Delta, Finished, Prompt
from worker.backends.choice import open_backend
from worker.backends.script import DOWN, Fault
from worker.backends.scripted import Scripted, expected_text


def _scripted(**options: Any) -> Scripted:
    return Scripted(Model(backend="scripted", parameters={"rate": 0, **options}))


def _prompt(message: str = "hello", prefix: str = "", max_tokens: int | None = None) -> Prompt:
    return Prompt(messages=[{"role": "user", "content": message}], prefix=prefix, max_tokens=max_tokens)


async def _read(backend: Scripted, prompt: Prompt) -> list[Delta]:
    return [delta async for deltas in backend.stream(prompt) for delta in deltas]


async def _read_until_error(backend: Scripted, prompt: Prompt) -> tuple[list[Delta], UpstreamError]:
    read: list[Delta] = []
    with pytest.raises(UpstreamError) as caught:
        async for deltas in backend.stream(prompt):
            read += deltas
    return read, caught.value


def _text(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length": 0},
        {"length": 7, "seed": 3},
        {"text": "  two  words \n"},
        {"kind": "code"},
        {"kind": "table"},
    ],
)
async def test_the_text_is_the_expected_one(options: dict[str, Any]) -> None:
    """A test can know from the options alone what a reader must get."""
    deltas = await _read(_scripted(**options), _prompt())
    assert _text(deltas) == expected_text(options)
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].finish_reason == "stop"


def test_the_text_is_the_same_on_every_machine() -> None:
    """Generated text depends on no random generator of the platform."""
    assert expected_text({"length": 4, "seed": 1}) == "Sluice stream weir head"
    assert expected_text({"length": 4, "seed": 2}) != expected_text({"length": 4, "seed": 1})


@given(st.text(max_size=80), st.data())
async def test_it_goes_on_from_any_prefix(text: str, data: st.DataObject) -> None:
    """After any beginning of its text comes exactly the rest."""
    prefix = text[: data.draw(st.integers(0, len(text)))]
    assert prefix + _text(await _read(_scripted(text=text), _prompt(prefix=prefix))) == text


async def test_a_foreign_prefix_is_rejected() -> None:
    """It never goes on from what it cannot have said."""
    with pytest.raises(UpstreamRejected):
        await _read(_scripted(), _prompt(prefix="Something else"))


async def test_it_fails_after_so_many_deltas_with_the_code_asked_for() -> None:
    """What came before the failure was given out."""
    backend = _scripted(text="a b c d", fail_after=2, fail_code="between_tokens_timeout")
    deltas, error = await _read_until_error(backend, _prompt())
    assert _text(deltas) == "a b"
    assert isinstance(error, BetweenTokensTimeout)


async def test_a_continuation_is_spared_the_failure_after_it() -> None:
    """A generation that goes on from its log gets past the break it met."""
    backend = _scripted(text="a b c d", fail_after=2)
    assert _text(await _read(backend, _prompt(prefix="a b"))) == " c d"
    _, error = await _read_until_error(backend, _prompt(prefix="a"))
    assert isinstance(error, UpstreamBroke)


async def test_it_stalls_after_so_many_deltas() -> None:
    """A stalled model stays silent until its reader gives up."""
    stream = _scripted(text="a b c", stall_after=2, batch=2).stream(_prompt())
    assert _text(await anext(stream)) == "a b"
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait({waiting}, timeout=0.02)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("fault", get_args(Fault))
async def test_each_fault(fault: Fault, at: int) -> None:
    """
    It goes wrong as a server does, at the first word or in mid-reply. One that is down breaks off, and stays
    down; beyond any other fault whoever asks again meets none.
    """
    backend, said = _scripted(text="a b c d", fault=fault, fault_at=at), "a b"[: at + at // 2]
    if fault == "silence":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await _read(backend, _prompt())
    else:
        deltas, error = await _read_until_error(backend, _prompt())
        breaks_off = fault in DOWN and at
        assert error.code == ("upstream_broke" if breaks_off else ALONE[fault][bool(at)])
        assert _text(deltas) == said
        assert (error.retry_after_s is not None) == (fault in {"429", "503"} and not at)
    if fault in DOWN:
        _, error = await _read_until_error(backend, _prompt(prefix=said))
        assert error.code == ALONE[fault][1]
    elif at:
        assert said + _text(await _read(backend, _prompt(prefix=said))) == "a b c d"


async def test_reasoning_comes_before_the_text_and_tool_calls_after() -> None:
    """Each kind of delta comes in its turn."""
    deltas = await _read(_scripted(length=1, reasoning=2, tool_call=True), _prompt())
    assert [type(delta) for delta in deltas] == [Reasoning, Reasoning, Text, *[ToolCall] * 3, Finished]
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].finish_reason == "tool_calls"


async def test_batch_joins_deltas_of_one_read() -> None:
    """A fast upstream brings several deltas in one read."""
    reads = [len(deltas) async for deltas in _scripted(length=5, batch=2).stream(_prompt())]
    assert reads == [2, 2, 1, 1]


async def test_echo_says_what_the_user_said() -> None:
    """Parts of text count; parts of other kinds do not."""
    content = [{"type": "text", "text": "ping pong"}, {"type": "image_url", "image_url": {"url": "x"}}]
    deltas = await _read(_scripted(echo=True), Prompt(messages=[{"role": "user", "content": content}]))
    assert _text(deltas) == "ping pong" == expected_text({"echo": True}, "ping pong")


async def test_max_tokens_ends_it_by_length() -> None:
    """The limit of a request holds for scripts as well."""
    deltas = await _read(_scripted(text="a b c"), _prompt(max_tokens=2))
    assert _text(deltas) == "a b"
    assert isinstance(deltas[-1], Finished)
    assert deltas[-1].finish_reason == "length"


async def test_a_message_may_override_the_options() -> None:
    """One configured model serves every test."""
    deltas = await _read(_scripted(length=50), _prompt('/script {"text": "just this"}'))
    assert _text(deltas) == "just this"


@pytest.mark.parametrize(
    "script", ['{"lenght": 1}', "not json", "[]", '{"rate": -1}', '{"fail_code": "x"}', "[" * 5000]
)
async def test_a_message_that_is_no_script_is_rejected(script: str) -> None:
    """A misspelt option is never a silent default."""
    with pytest.raises(UpstreamRejected):
        await _read(_scripted(), _prompt("/script " + script))


@pytest.mark.parametrize("options", [{"lenght": 1}, {"rate": "fast"}, {"fail_code": "nonsense"}])
def test_wrong_options_are_refused_by_name(options: dict[str, Any]) -> None:
    """A model that cannot be is refused when the worker starts."""
    with pytest.raises(ValueError, match=next(iter(options))):
        open_backend(Model(backend="scripted", parameters=options))


async def test_it_keeps_its_rate() -> None:
    """Eleven deltas at 200 a second take ten periods, however long each was handled."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await _read(_scripted(rate=200, length=11), _prompt())
    assert 0.05 <= loop.time() - began < 0.5
