"""Requests for responses as clients write them: hints, tools that are not here, references to items."""

from collections.abc import AsyncIterator
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.conftest import OpenClient
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from worker.backends.script import expected_text

FUNCTION: dict[str, Any] = {"type": "function", "name": "read_level", "parameters": {"type": "object"}}
HOSTED: list[dict[str, Any]] = [
    {"type": "web_search", "external_web_access": True},
    {"type": "local_shell"},
    {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": ""},
    },
    {"type": "mcp", "server_label": "files", "server_url": "https://example.org"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "of_tomorrow"},
]
SPACE = {"type": "namespace", "name": "mcp__gates", "description": "Gates.", "tools": [FUNCTION, HOSTED[2]]}
#: What ordinary clients send along, and what changes nothing here.
HINTS: dict[str, Any] = {
    "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
    "truncation": "auto",
    "client_metadata": {"session_id": "s", "deep": {"er": [1, None]}},
    "prompt_cache_retention": "24h",
    "prompt_cache_key": "k",
    "max_tool_calls": None,
    "reasoning": {"effort": "medium", "summary": "auto", "context": "auto", "generate_summary": None},
    "conversation": None,
    "prompt": None,
    "store": None,
    "service_tier": "auto",
    "text": {"verbosity": "low", "format": None},
    "metadata": {},
    "top_logprobs": 0,
    "background": None,
    "user": None,
}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """The model server that is asked."""
    async with FakeUpstream(length=4) as upstream:
        yield upstream


@pytest.fixture
async def openai(local: Local, open_client: OpenClient, upstream: FakeUpstream) -> AsyncOpenAI:
    """OpenAI's client of a gateway before that server."""
    return open_client(await local.start(MODELS + upstream_model(upstream.url)))


async def ask(openai: AsyncOpenAI, **fields: Any) -> Response:
    """A whole response of the fake server's model."""
    made = await openai.responses.create(
        model="upstream",
        input="Hello",
        extra_body=fields,
        timeout=20,
    )
    assert isinstance(made, Response)
    return made


async def test_hints_are_taken_and_repeated(openai: AsyncOpenAI, upstream: FakeUpstream) -> None:
    """What only helps a server that knows it is taken, is not passed on, and the answer comes."""
    made = await ask(openai, **HINTS)
    assert made.status == "completed"
    assert (made.truncation, made.reasoning.summary if made.reasoning else None) == ("auto", "auto")
    sent = upstream.requests[-1].body
    assert not {"include", "truncation", "client_metadata", "prompt_cache_retention"} & sent.keys()
    assert None not in sent.values()
    assert (await ask(openai, max_tool_calls=3)).max_tool_calls == 3


@pytest.mark.parametrize("choice", [None, "auto", {"type": "allowed_tools", "mode": "auto", "tools": HOSTED}])
async def test_tools_that_are_not_here_are_left_out(
    openai: AsyncOpenAI, upstream: FakeUpstream, choice: Any
) -> None:
    """Where the model may choose, tools that OpenAI would run are left out; functions are offered."""
    made = await ask(openai, tools=[*HOSTED, FUNCTION, SPACE], tool_choice=choice)
    sent = upstream.requests[-1].body
    names = [tool["function"]["name"] for tool in sent.get("tools", [])]
    assert names == ([] if isinstance(choice, dict) else ["read_level", "mcp__gates__read_level"])
    assert [tool.type for tool in made.tools] == ["function", "namespace"]
    assert not (await ask(openai, tools=HOSTED, tool_choice=choice)).tools
    assert not {"tools", "tool_choice"} & upstream.requests[-1].body.keys()


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("required", "web_search"),
        ({"type": "web_search"}, "web_search"),
        ({"type": "custom", "name": "apply_patch"}, "custom"),
        ({"type": "mcp", "server_label": "files"}, "mcp"),
        ({"type": "allowed_tools", "mode": "required", "tools": [HOSTED[1]]}, "web_search"),
    ],
)
async def test_tools_that_are_demanded_are_refused_by_name(
    openai: AsyncOpenAI, choice: Any, named: str
) -> None:
    """A tool that is demanded and does not exist here is a BadRequestError that names it."""
    with pytest.raises(sdk.BadRequestError, match=named) as refused:
        await ask(openai, tools=HOSTED, tool_choice=choice)
    assert refused.value.param == "tool_choice"


async def test_functions_in_a_namespace(openai: AsyncOpenAI, upstream: FakeUpstream) -> None:
    """The model knows such a function by both names; its call and its client know the namespace."""
    message = script(length=1, tool_call=True, tool="mcp__gates__read_level")
    made = await ask(openai, input=message, tools=[FUNCTION, SPACE])
    call: Any = made.output[-1]
    assert (call.name, call.namespace) == ("read_level", "mcp__gates")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "1.2"}
    said = {"role": "user", "content": message}
    await ask(openai, input=[said, call.model_dump(), output], tools=[SPACE])
    sent = upstream.requests[-1].body["messages"]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "mcp__gates__read_level"
    assert sent[2]["role"] == "tool"


@pytest.mark.parametrize("kept", [True, False], ids=["log", "record"])
async def test_items_of_stored_responses(
    openai: AsyncOpenAI, upstream: FakeUpstream, local: Local, kept: bool
) -> None:
    """A reference stands for the item of an earlier response, also once its log has expired."""
    message = script(length=2, reasoning=2, tool_call=True)
    first = await ask(openai, input=message)
    given = [item async for item in openai.responses.input_items.list(first.id)]
    if not kept:
        local.redis.delete("hr:log:gen_" + first.id.removeprefix("resp_"))
    assert [item.type for item in first.output] == ["reasoning", "message", "function_call"]
    references = [{"type": "item_reference", "id": item.id} for item in (*given, *first.output)]
    references[1] = {"id": references[1]["id"]}
    output = {"type": "function_call_output", "call_id": "call_fake", "output": "1.2"}
    second = await ask(openai, input=[*references, output])
    function = {"name": "read_level", "arguments": '{"gate": "upper"}'}
    assert upstream.requests[-1].body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": message}]},
        {
            "role": "assistant",
            "content": expected_text({"length": 2}),
            "tool_calls": [{"id": "call_fake", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_fake", "content": "1.2"},
    ]
    listed: list[Any] = [item async for item in openai.responses.input_items.list(second.id, order="asc")]
    assert [item.type for item in listed] == [
        *("message", "reasoning", "message", "function_call", "function_call_output")
    ]


async def test_a_failure_outlives_its_log(openai: AsyncOpenAI, local: Local) -> None:
    """Once that has expired, a response that failed says so, and what it had said."""
    said = script(fail_after=2, fail_code="upstream_rejected")
    made = await openai.responses.create(model="scripted", input=said, background=True)

    async def failed() -> bool:
        return (await openai.responses.retrieve(made.id)).status == "failed"

    await eventually(failed, "it fails")
    before = await openai.responses.retrieve(made.id)
    local.redis.delete("hr:log:gen_" + made.id.removeprefix("resp_"))
    after = await openai.responses.retrieve(made.id)
    assert (after.status, after.error, after.output_text) == ("failed", before.error, before.output_text)


async def test_in_the_background_without_a_reader(local: Local, open_client: OpenClient) -> None:
    """P8: it is made to its end, though whoever began to read it has left."""
    openai = open_client(await local.start(abandon_grace_s=0, lease_s=0.6))
    asked: dict[str, Any] = {"model": "scripted", "input": script(rate=30, length=40), "background": True}
    stream = await openai.responses.create(**asked, stream=True)
    made = (await anext(aiter(stream))).response
    await stream.close()

    async def ended() -> bool:
        return (await openai.responses.retrieve(made.id)).status not in {"queued", "in_progress"}

    await eventually(ended, "it ends")
    kept = await openai.responses.retrieve(made.id)
    assert (kept.status, kept.output_text) == ("completed", expected_text({"length": 40}))


async def test_references_that_lead_nowhere(openai: AsyncOpenAI) -> None:
    """What is unknown, or was not stored, is not found, by name."""
    unstored = await ask(openai, store=False)
    for item_id in ("x", "msg_" + "0" * 32 + "_0", unstored.output[0].id, unstored.id):
        with pytest.raises(sdk.NotFoundError, match="not found") as unknown:
            await ask(
                openai, input=[{"role": "user", "content": "x"}, {"type": "item_reference", "id": item_id}]
            )
        assert unknown.value.param == "input[1].id"
    with pytest.raises(sdk.NotFoundError) as unknown:
        await ask(openai, previous_response_id="resp_nope")
    assert (unknown.value.code, unknown.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )


async def test_what_tools_give_as_parts(openai: AsyncOpenAI, upstream: FakeUpstream) -> None:
    """Texts of an output are the tool's message; pictures, which it cannot have, follow all outputs."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": None}
    calls = [
        {"type": "function_call", "call_id": call_id, "name": "look", "arguments": "{}", "id": None}
        for call_id in ("c1", "c2")
    ]
    await ask(
        openai,
        input=[
            {"role": "user", "content": "Look."},
            *calls,
            {"type": "function_call_output", "call_id": "c1", "output": [picture]},
            {"type": "reasoning", "summary": []},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
            },
        ],
    )
    user, calling, shown, said, pictures = upstream.requests[-1].body["messages"]
    assert (user["role"], len(calling["tool_calls"])) == ("user", 2)
    assert (shown["role"], shown["tool_call_id"], bool(shown["content"])) == ("tool", "c1", True)
    assert said == {"role": "tool", "tool_call_id": "c2", "content": "ab"}
    assert (pictures["role"], pictures["content"][1]["type"]) == ("user", "image_url")


async def test_reasoning_as_a_summary(openai: AsyncOpenAI) -> None:
    """Who asks for a summary reads the reasoning there, in the same words, and nowhere else."""
    asked: Any = {
        "model": "scripted",
        "input": script(length=2, reasoning=3),
        "reasoning": {"summary": "auto"},
    }
    events: list[Any] = [event async for event in await openai.responses.create(**asked, stream=True)]
    kinds = [event.type for event in events]
    assert "response.reasoning_text.delta" not in kinds
    assert kinds[2:4] == ["response.output_item.added", "response.reasoning_summary_part.added"]
    said = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    assert len(said.split()) == 3
    assert kinds.index("response.reasoning_summary_text.done") < kinds.index(
        "response.reasoning_summary_part.done"
    )
    item = events[-1].response.output[0]
    assert ([part.text for part in item.summary], item.content) == ([said], [])
    assert (await openai.responses.create(**asked)).output[0].summary[0].text == said


@pytest.mark.parametrize(
    ("given", "repeated"),
    [
        (None, {"type": "text"}),
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "level", "schema": {"type": "object", "default": None}},
            {
                "type": "json_schema",
                "name": "level",
                "schema": {"type": "object", "default": None},
                "description": None,
                "strict": False,
            },
        ),
        (
            {"type": "json_schema", "name": "l", "schema": {}, "strict": True, "description": "d"},
            {"type": "json_schema", "name": "l", "schema": {}, "strict": True, "description": "d"},
        ),
    ],
)
async def test_the_format_is_repeated(openai: AsyncOpenAI, given: Any, repeated: dict[str, Any]) -> None:
    """A response repeats its format with everything that its schema demands."""
    made = await openai.responses.with_raw_response.create(
        model="upstream", input="Hello", text={"format": given}
    )
    text = (await made.http_response.aread(), made.http_response.json()["text"])[1]
    assert text == {"format": repeated}


@pytest.mark.parametrize("lacking", ["name", "schema"])
async def test_a_format_that_lacks_something(openai: AsyncOpenAI, lacking: str) -> None:
    """A schema without a name, or without itself, is refused by name."""
    given: dict[str, Any] = {"type": "json_schema", "name": "level", "schema": {}}
    del given[lacking]
    with pytest.raises(sdk.BadRequestError) as refused:
        await ask(openai, text={"format": given})
    assert refused.value.param == f"text.format.{lacking}"


async def test_everything_is_of_openais_own_types(openai: AsyncOpenAI) -> None:
    """A response with all it can have, and every event of its stream, are what OpenAI's types demand."""
    asked: dict[str, Any] = {
        "model": "upstream",
        "input": script(length=2, reasoning=2, tool_call=True),
        "tools": [FUNCTION],
        "text": {"format": {"type": "json_schema", "name": "level", "schema": {}}},
    }
    event_type: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for extra in ({}, {"reasoning": {"summary": "detailed"}}):
        stream = await openai.responses.create(**asked | extra, stream=True)
        events = [event.model_dump(mode="json", by_alias=True) async for event in stream]
        for event in events:
            event_type.validate_python(event)
        Response.model_validate(events[-1]["response"])
        texts = [item for item in events[-1]["response"]["output"] if item["type"] == "message"]
        assert texts[0]["content"][0]["annotations"] == []
