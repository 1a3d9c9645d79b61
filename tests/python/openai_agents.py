"""openai-agents: an agent with a tool, over both of OpenAI's APIs, whole and streamed."""

from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from scenario import read_level


async def scenario(url: str, model: str, said: str) -> dict[str, Any]:
    """The final outputs, by API and way."""
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    seen = {}
    for name, kind in (("chat", OpenAIChatCompletionsModel), ("responses", OpenAIResponsesModel)):
        agent = Agent(
            name="Keeper",
            instructions="Be brief.",
            model=kind(model=model, openai_client=client),
            model_settings=ModelSettings(
                temperature=0.5,
                tool_choice="auto",
                parallel_tool_calls=False,
                truncation="auto",
                reasoning=Reasoning(effort="low", summary="auto"),
                include_usage=True,
                metadata={"of": "tests"},
            ),
            tools=[function_tool(read_level)],
        )
        seen[f"{name}, whole"] = (await Runner.run(agent, said)).final_output
        streamed = Runner.run_streamed(agent, said)
        async for _ in streamed.stream_events():
            pass
        seen[f"{name}, streamed"] = streamed.final_output
    return seen
