"""pydantic-ai: an agent with a tool, over both of OpenAI's APIs, whole and streamed."""

from collections.abc import AsyncIterable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import read_level


async def scenario(url: str, model: str, said: str) -> dict[str, Any]:
    """The final outputs, by API and way."""
    provider = OpenAIProvider(base_url=url, api_key="none")
    seen = {}
    for name, kind in (("chat", OpenAIChatModel), ("responses", OpenAIResponsesModel)):
        settings = OpenAIResponsesModelSettings(temperature=0.5, max_tokens=100, parallel_tool_calls=False)
        if name == "responses":
            settings |= OpenAIResponsesModelSettings(
                openai_reasoning_effort="low", openai_reasoning_summary="detailed", openai_truncation="auto"
            )
        agent = Agent(
            kind(model, provider=provider),
            instructions="Be brief.",
            tools=[read_level],
            model_settings=settings,
        )
        seen[f"{name}, whole"] = (await agent.run(said)).output
        seen[f"{name}, streamed"] = (await agent.run(said, event_stream_handler=listen)).output
    return seen


async def listen(_: Any, events: AsyncIterable[Any]) -> None:
    """With this, the run asks for streams; `run_stream` would end at the text before the call."""
    async for _ in events:
        pass
