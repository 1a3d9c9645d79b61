"""`headrace models check`, and several upstreams of `headrace up`, as processes."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.up import Up
from tests.kit.chat_client import ChatClient
from tests.kit.program import environment, free_port
from tests.kit.upstream import FakeUpstream
from tests.unit.test_upstreams_at_start import upstream_that_says
from worker.backends.script import expected_text

pytestmark = pytest.mark.timeout(120)

CHECKED = """
[models.m]
[[models.m.upstreams]]
name = "well"
base_url = "{well}"
[[models.m.upstreams]]
name = "keyless"
base_url = "{keyless}"
[[models.m.upstreams]]
name = "gone"
base_url = "http://127.0.0.1:9/v1"
"""


async def check(models: str, folder: Path) -> tuple[int | None, dict[str, list[str]]]:
    """Its exit status, and its table by upstream."""
    file = folder / "models.toml"
    file.write_text(models)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy", "models", "check", "--models", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    out, _ = await process.communicate()
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.decode().splitlines()]
    assert rows[0][:3] == ["model", "upstream", "reachable"], out.decode()
    return process.returncode, {row[1]: row[2:] for row in rows[1:] if len(row) > 2}


async def test_check(tmp_path: Path) -> None:
    """A row for each upstream: reached or not, with which key, what it can, and how soon."""
    async with FakeUpstream(length=10, tool_call=True) as well, FakeUpstream(status=401) as keyless:
        status, rows = await check(CHECKED.format(well=well.url, keyless=keyless.url), tmp_path)
        assert status == 1
        # It takes pictures without a word, and refuses a beginning that is not its own.
        assert rows["well"][:6] == ["yes", "yes", "yes", "no", "yes", "yes"]
        assert re.fullmatch(r"\d\.\d\d s", rows["well"][6])
        assert rows["keyless"][:2] == ["yes", "refused"]
        assert rows["gone"][0] == "no"
        assert "upstream_refused" in " ".join(rows["gone"])
        status, _ = await check(f'[models.m]\nbase_url = "{well.url}"\n', tmp_path)
        assert status == 0


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Not yet started; after the test it has ended and left no process behind."""
    up = Up(tmp_path)
    yield up
    await up.end()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
async def test_up(up: Up, session: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Several `--upstream` are upstreams of one model: where the first refuses, the second answers. One that is
    down, or refuses its key, is said as it starts; no model is fetched meanwhile.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(up.folder / "cache"))
    monkeypatch.setenv("A_KEY", "wrong")
    down = f"http://127.0.0.1:{free_port()}/v1"
    async with (
        FakeUpstream(status=500) as first,
        FakeUpstream(length=10) as second,
        upstream_that_says(401) as refusing,
    ):
        chosen = [("--upstream", url) for url in (first.url, second.url, down, refusing)]
        key = ("--api-key-env", "A_KEY")
        up.start("--models", "", *chain(*chosen), "--model", "m", *key)
        [url] = await up.ready()
        reader = await ChatClient(session, url).ask()
    assert reader.text == expected_text({"length": 10})
    assert reader.end.data["metadata"]["upstreams"] == ["2"]
    assert len(first.requests) == 1
    assert f"model m: {down} does not answer (connection refused): start it" in up.said
    assert f"model m: {refusing} refuses the key in A_KEY (status 401)" in up.said
    assert "wrong" not in up.said
    assert not (up.folder / "cache").exists()
