"""Clients as published, given the base URL of a running `headrace up`: whole, streamed, with tools."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.e2e.system import System
from tests.kit import claude_code, codex, node_clients, python_clients
from tests.kit.chat_client import script
from worker.backends.script import expected_text

LENGTH = 3
TEXT = expected_text({"length": LENGTH})


def calling(tool: str = "read_level", **arguments: str) -> str:
    """A message to which the fake model server calls *tool*, and once it has a result says `TEXT`."""
    return script(length=LENGTH, reasoning=2, tool_call=True, tool=tool, arguments=json.dumps(arguments))


async def check(system: System, session: ClientSession, seen: dict[str, Any], result: str) -> None:
    """Every way gave the answer that follows the tool's *result*, which the model has read."""
    assert seen == dict.fromkeys(seen, TEXT)
    asked = [request["body"]["messages"] for request in await system.asked(session)]
    results = [
        messages[-1]["content"] for messages in asked[-2 * len(seen) :] if messages[-1]["role"] == "tool"
    ]
    assert len(results) == len(seen)
    assert all(result in str(content) for content in results)


@pytest.mark.parametrize(
    ("client", "options", "ways"),
    [
        ("ai_sdk_openai", {"version": 6}, 6),
        ("ai_sdk_openai", {"version": 7}, 6),
        ("agents", {}, 4),
        ("langchain", {}, 4),
        ("anthropic", {}, 2),
    ],
    ids=["ai-sdk-6", "ai-sdk-7", "openai-agents", "langchain", "anthropic"],
)
async def test_in_node(
    system: System, session: ClientSession, client: str, options: dict[str, Any], ways: int
) -> None:
    """The client calls its tool, and reads the answer that follows, over all of the APIs it speaks."""
    node_clients.install()
    said = calling(gate="upper")
    # Anthropic's clients put the version into the path themselves.
    url = system.url if client == "anthropic" else f"{system.url}/v1"
    seen = await node_clients.play(client, url=url, model="upstream", said=said, **options)
    assert len(seen) == ways
    await check(system, session, seen, "The upper gate is at 1.2.")


@pytest.mark.timeout(700)  # of which nearly all is for installing them
async def test_in_python(system: System, session: ClientSession) -> None:
    """Each client calls its tool, and reads the answer that follows, over all of OpenAI's APIs it speaks."""
    python_clients.install()
    ways = {
        "openai_agents": 4,
        "pydantic_ai_agents": 4,
        "langchain_chat": 6,
        "litellm_bridges": 8,
        "llm_models": 2,
    }
    seen = await python_clients.play(
        [*ways], url=f"{system.url}/v1", model="upstream", said=calling(gate="upper")
    )
    assert {client: len(texts) for client, texts in seen.items()} == ways
    each = {f"{client}, {way}": text for client, texts in seen.items() for way, text in texts.items()}
    await check(system, session, each, "The upper gate is at 1.2.")


@pytest.mark.timeout(400)  # likewise
async def test_codex(system: System, session: ClientSession, tmp_path: Path) -> None:
    """Codex runs the command that the model asks for, shows its reasoning, and reads what follows."""
    codex.install()
    said = calling("exec_command", cmd="printf 'The level is %s.' 1.2")
    events = await codex.execute(tmp_path, f"{system.url}/v1", "upstream", said)
    done = [event["item"] for event in events if event["type"] == "item.completed"]
    [command] = [item for item in done if item["type"] == "command_execution"]
    assert (command["exit_code"], command["aggregated_output"]) == (0, "The level is 1.2.")
    assert [item["text"] for item in done if item["type"] == "agent_message"] == [TEXT, TEXT]
    assert [len(item["text"].split()) for item in done if item["type"] == "reasoning"] == [2, 2]
    assert events[-1]["type"] == "turn.completed"
    sent = (await system.asked(session))[-1]["body"]
    assert "The level is 1.2." in sent["messages"][-1]["content"]
    names = {tool["function"]["name"] for tool in sent["tools"]}
    assert "exec_command" in names
    assert "web_search" not in names


@pytest.mark.timeout(400)  # likewise
async def test_claude_code(system: System, session: ClientSession, tmp_path: Path) -> None:
    """Claude Code runs the command that the model asks for, and reads what follows."""
    claude_code.install()
    said = calling("Bash", command="printf 'The level is %s.' 1.2", description="Reads the level")
    events = await claude_code.execute(tmp_path, system.url, "upstream", f"Do as told: {said}")
    assert (events[-1]["type"], events[-1]["subtype"], events[-1]["result"]) == ("result", "success", TEXT)
    told = [event["message"]["content"] for event in events if event["type"] in {"assistant", "user"}]
    results = [part for parts in told for part in parts if part["type"] == "tool_result"]
    assert ["The level is 1.2." in str(result["content"]) for result in results] == [True]
    sent = (await system.asked(session))[-1]["body"]["messages"]
    assert any(m["role"] == "tool" and "The level is 1.2." in str(m["content"]) for m in sent)
