"""The OpenAI-compatible backend: what it asks, and with which key."""

import msgspec
import pytest

from shared.models import Model
from tests.kit.backend import prompt, read, script, text_of
from tests.kit.upstream import FakeUpstream
from worker.backends.openai_compatible import OpenAICompatible


async def test_the_request_says_all_that_the_model_and_the_prompt_do(upstream: FakeUpstream) -> None:
    """The prompt's parameters win over the model's, and neither over what is ours."""
    model = Model(
        base_url=upstream.url + "/",
        upstream_model="theirs",
        max_tokens=100,
        parameters={"temperature": 0.3, "top_p": 0.9},
    )
    backend = OpenAICompatible(model, "ours")
    ours = {"stream": False, "model": "x", "messages": [], "stream_options": {"include_usage": False}}
    await read(backend, prompt(max_tokens=5, parameters={"temperature": 1, **ours}))
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
    await read(backend, prompt(max_tokens=5))
    await backend.close()
    body = upstream.requests[0].body
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert "stream_options" not in body


async def test_a_prefix_is_gone_on_from(backend: OpenAICompatible, upstream: FakeUpstream) -> None:
    """The beginning goes along as the assistant's last message, to be continued."""
    asked = script(text="one two three")
    *texts, _ = await read(backend, msgspec.structs.replace(asked, prefix="one two"))
    assert text_of(texts) == " three"
    body = upstream.requests[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "one two"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


async def test_the_key_comes_from_its_variable(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys stand in the environment, never in a file of ours."""
    monkeypatch.setenv("SOME_KEY", " sk-test\n")
    backend = OpenAICompatible(Model(base_url=upstream.url, api_key_env="SOME_KEY"), "m")
    await read(backend, prompt())
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
