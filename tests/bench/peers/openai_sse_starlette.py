"""The OpenAI SDK and sse-starlette: an SDK object a chunk, an event a chunk."""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

import json
from collections.abc import AsyncIterator

import uvicorn
from openai import AsyncOpenAI
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from tests.bench.peers import options


def make_app(upstream: str) -> Starlette:
    """The application."""
    client = AsyncOpenAI(base_url=upstream, api_key="none", timeout=None, max_retries=0)

    async def chat(request: Request) -> EventSourceResponse:
        message = (await request.json())["message"]

        async def relay() -> AsyncIterator[dict[str, str]]:
            stream = await client.chat.completions.create(
                model="fake", messages=[{"role": "user", "content": message}], stream=True
            )
            async for chunk in stream:
                if chunk.choices and (content := chunk.choices[0].delta.content):
                    yield {"data": json.dumps({"content": content})}

        return EventSourceResponse(relay())

    return Starlette(routes=[Route("/chat", chat, methods=["POST"])])


if __name__ == "__main__":
    port, upstream = options(__doc__)
    uvicorn.run(
        make_app(upstream), port=port, loop="uvloop", access_log=False, log_level="warning", backlog=4096
    )
