"""The wheel in somebody else's project: `headrace` is the only name it takes, and all of it works there."""

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.up import Up
from tests.kit import releases
from tests.kit.program import environment
from worker.backends.script import expected_text

#: What the project calls its own packages.
THEIRS = ("deploy", "gateway", "shared", "worker")
TEXT = expected_text({"length": 60})
#: Their program: it has their packages, and our client.
PROGRAM = """\
import asyncio, sys
from headrace import Chunk, Ended, HeadraceClient
import deploy, gateway, shared, worker

assert {package.OWNER for package in (deploy, gateway, shared, worker)} == {"theirs"}

async def main():
    async with HeadraceClient(sys.argv[1]) as client:
        events = [event async for event in client.start("hi", model="fast")]
    assert isinstance(events[-1], Ended)
    print("".join(event.text for event in events if isinstance(event, Chunk)))

asyncio.run(main())
"""

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]


def run(*command: str | Path, cwd: Path) -> str:
    """What it says; it must end well."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site-packages of a new environment that has the wheel, while its dependencies are ours."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check")
    wheel = releases.wheel(folder)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    run(*pip, "--python", folder / "venv", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    return site


@pytest.fixture
def bin_folder(site: Path) -> Path:
    """The environment's programs, which find the dependencies."""
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if "-packages" in path))
    return site.parents[2] / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with packages that are called like ours."""
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('OWNER = "theirs"\n')
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
async def up(project: Path, bin_folder: Path) -> AsyncIterator[Up]:
    """`headrace up` of the wheel, in that folder."""
    up = Up(project, [str(bin_folder / "headrace")])
    yield up
    await up.end()


def test_one_name(site: Path) -> None:
    """Nothing but `headrace`, and what pip notes about it, lies in site-packages."""
    taken = {path.name.partition("-")[0] for path in site.iterdir() if path.suffix != ".pth"}
    assert taken - {"__pycache__"} == {"headrace"}
    kept_out = ("node_modules", "headrace/system/deploy/client", "headrace/system/deploy/release")
    assert not [path for name in kept_out for path in site.rglob(name)]


@pytest.mark.parametrize("start", [["headrace"], ["python", "-m", "headrace"]])
def test_the_command(start: list[str], bin_folder: Path, project: Path) -> None:
    """The command works where the folder has packages of the same names."""
    command = [str(bin_folder / start[0]), *start[1:]]
    assert re.fullmatch(
        r"headrace [\d.]+ \(commit [0-9a-f]{12}.*\)\n", run(*command, "--version", cwd=project)
    )
    if start != ["headrace"]:
        return
    assert "HEADRACE_REDIS_URL" in run(*command, "gateway", "--help", cwd=project)
    assert "--empty-" not in run(*command, "up", "--help", cwd=project)
    assert "has its chat page inside" in run(*command, "build", cwd=project)


async def test_a_stream(up: Up, bin_folder: Path, project: Path) -> None:
    """Their program streams an answer from gateway and worker of the wheel; so does one with a checkout."""
    up.start()
    [url] = await up.ready()
    for python in (bin_folder / "python", sys.executable):
        assert run(python, "program.py", url, cwd=project) == TEXT + "\n"
    chat = ("chat", "hi", "--url", url, "--model", "fast")
    assert run(bin_folder / "headrace", *chat, cwd=project) == TEXT + "\n"
    up.signal(signal.SIGINT)
    assert await up.ended() == 0


@pytest.mark.parametrize("part", ["gateway", "worker"])
def test_a_part_of_its_own(part: str, bin_folder: Path, project: Path) -> None:
    """`headrace gateway` and `headrace worker` start ours, not theirs: ours asks for models."""
    done = subprocess.run(
        [bin_folder / "headrace", part],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: HEADRACE_MODELS: "), done.stderr
