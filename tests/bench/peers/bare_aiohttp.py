"""
aiohttp and nothing else: bytes from its client into its server's response, as they come.

Its `/idle` opens a stream on which nothing happens: the least that an open stream costs.
"""

import asyncio

import aiohttp
import uvloop
from aiohttp import web

from tests.bench.peers import options, question

_SSE = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


async def serve(port: int, upstream: str) -> None:
    """Serve until stopped."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def chat(request: web.Request) -> web.StreamResponse:
            message = (await request.json())["message"]
            response = web.StreamResponse(headers=_SSE)
            url = f"{upstream}/chat/completions"
            async with session.post(url, json=question(message)) as answer:
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
            return response

        async def idle(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=_SSE)
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n")
            await asyncio.get_running_loop().create_future()
            return response

        app = web.Application()
        app.add_routes([web.post("/chat", chat), web.get("/idle", idle)])
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(serve(*options(__doc__)))
