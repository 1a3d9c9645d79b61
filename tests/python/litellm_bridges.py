"""litellm: both of OpenAI's APIs, and its bridges between them, whole and streamed, with a tool."""

from typing import Any

import litellm
from scenario import read_level

TOOL = {
    "name": "read_level",
    "description": read_level.__doc__,
    "parameters": {"type": "object", "properties": {"gate": {"type": "string"}}},
}


async def scenario(url: str, model: str, said: str) -> dict[str, Any]:
    """The final texts, by bridge and way."""
    litellm.suppress_debug_info = True
    to: Any = {"api_base": url, "api_key": "none", "num_retries": 0, "temperature": 0.5}
    seen = {}
    for stream in (False, True):
        way = "streamed" if stream else "whole"
        for name, asked in (("chat", f"openai/{model}"), ("chat as responses", f"openai/responses/{model}")):
            seen[f"{name}, {way}"] = await chat(asked, said, stream, to)
        for name, asked in (("responses", f"openai/{model}"), ("responses as chat", f"hosted_vllm/{model}")):
            seen[f"{name}, {way}"] = await respond(asked, said, stream, to)
    return seen


async def chat(model: str, said: str, stream: bool, to: Any) -> str:
    """The text that follows a tool's result."""
    messages: list[Any] = [{"role": "user", "content": said}]
    tools = [{"type": "function", "function": TOOL}]
    while True:
        answer: Any = await litellm.acompletion(
            model=model,
            messages=messages,
            tools=tools,
            stream=stream,
            **to,
        )
        if stream:
            answer = litellm.stream_chunk_builder([chunk async for chunk in answer], messages=messages)
        message = answer.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append(message.model_dump())
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": read_level("upper")}
            for call in message.tool_calls
        ]


async def respond(model: str, said: str, stream: bool, to: Any) -> str:
    """The same over responses."""
    items: list[Any] = [{"role": "user", "content": said}]
    while True:
        answer: Any = await litellm.aresponses(
            model=model, input=items, tools=[{"type": "function", **TOOL}], stream=stream, **to
        )
        if stream:
            events = [event async for event in answer]
            answer = events[-1].response
        output = [item if isinstance(item, dict) else item.model_dump() for item in answer.output]
        calls = [item for item in output if item["type"] == "function_call"]
        if not calls:
            parts = [part for item in output if item["type"] == "message" for part in item["content"]]
            return "".join(part["text"] for part in parts)
        items += output
        items += [
            {"type": "function_call_output", "call_id": call["call_id"], "output": read_level("upper")}
            for call in calls
        ]
