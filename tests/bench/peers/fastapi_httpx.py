"""FastAPI and httpx: bytes from the upstream into a `StreamingResponse`, as they come."""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from tests.bench.peers import options, question


class Chat(BaseModel):
    """The body of `POST /chat`."""

    message: str
    stream: bool = True


def make_app(upstream: str) -> FastAPI:
    """The application."""
    # By default httpx opens no more than 100 connections, and gives up after 5 s.
    client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None))

    async def chat(body: Chat) -> Response:
        if not body.stream:
            asked = {**question(body.message), "stream": False}
            whole = await client.post(f"{upstream}/chat/completions", json=asked)
            return Response(whole.content, media_type="application/json")

        async def relay() -> AsyncIterator[bytes]:
            url = f"{upstream}/chat/completions"
            async with client.stream("POST", url, json=question(body.message)) as response:
                async for data in response.aiter_bytes():
                    yield data

        return StreamingResponse(relay(), media_type="text/event-stream")

    app = FastAPI()
    app.add_api_route("/chat", chat, methods=["POST"])
    return app


if __name__ == "__main__":
    port, upstream = options(__doc__)
    uvicorn.run(
        make_app(upstream), port=port, loop="uvloop", access_log=False, log_level="warning", backlog=4096
    )
