"""langchain-openai: a chat model with a tool, over both of OpenAI's APIs, whole and streamed."""

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from scenario import read_level


async def scenario(url: str, model: str, said: str) -> dict[str, Any]:
    """The final texts, by API and way."""
    reading = tool(read_level)
    seen = {}
    for name, options in (
        ("chat", {}),
        ("responses", {"use_responses_api": True, "reasoning": {"effort": "low", "summary": "auto"}}),
        ("previous", {"use_responses_api": True, "use_previous_response_id": True}),
    ):
        chat: Any = ChatOpenAI(
            model=model,
            base_url=url,
            api_key="none",
            temperature=0.5,
            max_retries=0,
            stream_usage=True,
            **options,
        ).bind_tools([reading])

        async def whole(messages: list[BaseMessage], chat: Any = chat) -> Any:
            return await chat.ainvoke(messages)

        async def streamed(messages: list[BaseMessage], chat: Any = chat) -> Any:
            merged = None
            async for chunk in chat.astream(messages):
                merged = chunk if merged is None else merged + chunk
            return merged

        for way in (whole, streamed):
            messages: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage(said)]
            answer = await way(messages)
            while answer.tool_calls:
                messages.append(answer)
                messages += [await reading.ainvoke(call) for call in answer.tool_calls]
                answer = await way(messages)
            text = answer.text
            seen[f"{name}, {way.__name__}"] = str(
                text() if callable(text) and not isinstance(text, str) else text
            )
    return seen
