"""Upstreams that do not answer, or refuse their key, are named as `headrace up` starts, with what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from deploy.up import models_file, upstreams
from tests.kit.program import free_port

#: What is never to be shown.
SECRET = "sk-of-nobody"


@asynccontextmanager
async def upstream_that_says(status: int, root: str = "/v1") -> AsyncIterator[str]:
    """The address of one that answers so when it is asked for its models; 0 is not at all."""

    async def models(request: web.Request) -> web.Response:
        await asyncio.sleep(0 if status else 30)
        return web.json_response({"data": []}, status=status, headers={"Location": "/elsewhere"})

    async def refused(request: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get(f"{root}/models", models)
    app.router.add_get("/elsewhere", refused)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{root}"
    finally:
        await runner.cleanup()


async def said_of(folder: Path, url: str, key_env: str | None = None) -> list[str]:
    """What is said of a models.toml with one upstream."""
    known = models_file.write(folder / "models.toml", models_file.for_upstreams([url], "m", key_env))
    async with aiohttp.ClientSession() as http:
        return await upstreams.problems(known, http)


@pytest.mark.parametrize(
    ("status", "root", "key_env", "word"),
    [
        (401, "/v1", "A_KEY", "refuses the key in A_KEY (status 401)"),
        (403, "/v1", "A_KEY", "refuses the key in A_KEY (status 403)"),
        (401, "/v1", None, "asks for a key (status 401): --api-key-env NAME"),
        (503, "/v1", None, "is not well (status 503)"),
        (404, "", None, "its address may have to end in /v1"),
        (0, "/v1", None, "does not answer (no word within five seconds)"),
    ],
)
async def test_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, root: str, key_env: str | None, word: str
) -> None:
    """One line, with the model's name, the address and what to do; never the key."""
    monkeypatch.setenv("A_KEY", SECRET)
    monkeypatch.setattr(upstreams, "_TIMEOUT", aiohttp.ClientTimeout(total=0.3 if not status else 5))
    async with upstream_that_says(status, root) as url:
        [line] = await said_of(tmp_path, url, key_env)
    assert line.startswith(f"model m: {url} ")
    assert word in line
    assert SECRET not in line


@pytest.mark.parametrize("status", [200, 302, 404, 405, 429])
async def test_what_is_not(tmp_path: Path, status: int) -> None:
    """One that answers anything else is not spoken of: not every server lists its models."""
    async with upstream_that_says(status) as url:
        assert await said_of(tmp_path, url) == []


async def test_nobody_there(tmp_path: Path) -> None:
    """A refused connection is said as such, and a password in an address is not."""
    port = free_port()
    [line] = await said_of(tmp_path, f"http://user:{SECRET}@127.0.0.1:{port}/v1")
    assert f"http://127.0.0.1:{port}/v1 does not answer (connection refused)" in line
    assert SECRET not in line
