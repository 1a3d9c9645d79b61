"""A process says which build it is: at `/version`, in its metrics, and on the command line."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import msgspec
import pytest
from aiohttp import ClientSession

from deploy.wheel import built_from
from shared.build import Build, Source
from tests.kit.chat_client import ChatClient
from tests.kit.stack import Stack


async def test_a_checkout(stack: Stack, chat: ChatClient, session: ClientSession) -> None:
    """One names its version and no commit, for nobody knows what has been changed in it."""
    here = {"version": version("headrace"), "source": None, "python": python_version()}
    assert (await chat.call("GET", "/version")).body == here
    for program in (*stack.gateways, *stack.workers):
        async with session.get(program.url + "/metrics") as response:
            [line] = [line for line in (await response.text()).splitlines() if "headrace_build_info{" in line]
        assert f'version="{here["version"]}"' in line
        assert line.endswith(" 1.0")


def test_the_command() -> None:
    """So does `headrace --version`."""
    command = [sys.executable, "-m", "deploy", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert said == f"headrace {version('headrace')} (a checkout, Python {python_version()})\n"


def test_a_wheel() -> None:
    """One names its commit, and whether there was more than it; the metric's label is short."""
    source = Source("0123456789abcdef", "2026-11-26T05:00:00+00:00", dirty=True)
    build = Build(version="1.2.3", source=source, python="3.11.7")
    assert str(build) == "headrace 1.2.3 (commit 0123456789ab and changes, 2026-11-26, Python 3.11.7)"
    assert build.labels == {"version": "1.2.3", "commit": "0123456789ab", "python": "3.11.7"}


def test_a_copy(tmp_path: Path) -> None:
    """One that was built without its history says the commit that it was told, else that it knows none."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    for said, source, shown in (
        ("", Source("unknown"), "commit unknown"),
        (f"{commit}\n", Source(commit), "commit 0123456789ab"),
        (f"{commit}-dirty", Source(commit, dirty=True), "commit 0123456789ab and changes"),
    ):
        written = msgspec.json.encode(built_from(tmp_path, {"SOURCE_COMMIT": said}))
        assert msgspec.json.decode(written, type=Source) == source
        assert str(Build(version="1", source=source, python="3")) == f"headrace 1 ({shown}, Python 3)"
    with pytest.raises(ValueError, match="no commit"):
        built_from(tmp_path, {"SOURCE_COMMIT": "main"})
