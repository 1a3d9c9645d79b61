"""
What `make dist` builds, in environments that have nothing else: from the file to the first token.

`python -m pytest tests/e2e/test_dist.py -m long -s` prints the figures that README has.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from aiohttp import ClientSession

from headrace import Chunk, HeadraceClient
from tests.e2e.up import Up
from tests.kit import web_app, web_programs
from tests.kit.program import environment
from tests.kit.releases import ROOT
from tests.kit.upstream import FakeUpstream

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]


@pytest.fixture(scope="module")
def dist() -> Path:
    """What has just been built, or is in the folder that DIST names."""
    if built := os.environ.get("DIST"):
        return Path(built).resolve()
    subprocess.run([sys.executable, "-m", "deploy.release"], cwd=ROOT, check=True, timeout=600)
    return ROOT / "dist"


def the(dist: Path, pattern: str) -> Path:
    """The one file of that name."""
    [found] = dist.glob(pattern)
    return found


def test_what_is_built(dist: Path) -> None:
    """Sums and provenance are of these very files; page, licences, bill and commit are inside."""
    lines = (dist / "SHA256SUMS").read_text().splitlines()
    sums = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    for name, digest in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    told = json.loads(the(dist, "*.provenance.json").read_text())
    subjects = {each["name"]: each["digest"]["sha256"] for each in told["subject"]}
    assert subjects.items() <= sums.items()
    assert {the(dist, "*.whl").name, the(dist, "*.tgz").name} <= subjects.keys()
    commit = told["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]
    with zipfile.ZipFile(the(dist, "*.whl")) as wheel:
        names = wheel.namelist()
        assert {name.partition("/")[0].partition("-")[0] for name in names} == {"headrace"}
        page = "headrace/system/gateway/web/dist/page"
        assert {f"{page}/index.html", f"{page}/licences.txt"} <= {*names}
        assert not [name for name in names if "deploy/release" in name or "node_modules" in name]
        assert json.loads(wheel.read("headrace/system/shared/build.json"))["commit"] == commit
        [bill] = [name for name in names if ".dist-info/sboms/" in name]
        inside = json.loads(wheel.read(bill))
        assert "react" in {part["name"] for part in inside["components"]}
        assert b"MIT" in wheel.read(f"{page}/licences.txt")
    with tarfile.open(the(dist, "*.tgz")) as packed:
        listed = set(packed.getnames())
        lib = {f"package/dist/lib/{name}" for name in ("sbom.cdx.json", "licences.txt", "build.json")}
        types = {f"package/dist/lib/{name}/index.d.ts" for name in ("client", "react")}
        assert lib | types | {"package/dist/lib/styles.css", "package/LICENSE"} <= listed
        built = packed.extractfile("package/dist/lib/build.json")
        assert built is not None and json.loads(built.read())["source"]["commit"] == commit


def test_the_npm_package(dist: Path, tmp_path: Path) -> None:
    """A fresh application installs it from the file, type-checks strictly, and builds."""
    app = web_app.fresh(tmp_path, the(dist, "*.tgz"), web_programs.FILES)
    web_app.npm(app, "run", "check")
    web_app.npm(app, "run", "build")


@pytest.mark.parametrize("answers", ["embedded", "upstream"])
async def test_a_fresh_environment(
    dist: Path, tmp_path: Path, session: ClientSession, monkeypatch: pytest.MonkeyPatch, answers: str
) -> None:
    """Two commands, in an empty folder, with neither Node nor make nor a checkout: the first token comes."""
    began = time.monotonic()
    venv, cache, empty = tmp_path / "venv", tmp_path / "cache", tmp_path / "empty"
    for folder in (cache, empty):
        folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    await asyncio.to_thread(install, the(dist, "*.whl"), venv, empty)
    installed = time.monotonic() - began
    monkeypatch.setenv("PATH", str(venv / "bin"))
    assert shutil.which("node") is None and shutil.which("make") is None
    up = Up(empty, [str(venv / "bin" / "headrace")])
    async with FakeUpstream(rate=0, length=20) as upstream:
        chosen = ("--upstream", upstream.url, "--model", "fake") if answers == "upstream" else ()
        up.start("--models", "", *chosen)
        try:
            [url] = await up.ready(timeout_s=600)
            ready = time.monotonic() - began
            async with HeadraceClient(url) as client:
                async for event in client.start("Hello! Who are you?"):
                    if isinstance(event, Chunk):
                        break
            first = time.monotonic() - began
            async with session.get(url) as page, session.get(f"{url}/version") as version:
                assert "<title>" in await page.text()
                assert (await version.json())["source"]["commit"]
        finally:
            await up.end()
    fetched = megabytes(cache / "headrace")
    assert (fetched > 400) == (answers == "embedded"), up.said
    print(
        f"{answers}: 2 commands; installed {installed:.0f} s, ready {ready:.0f} s, "
        f"first token {first:.0f} s; "
        f"{megabytes(venv)} MB installed, {fetched} MB of model"
    )


def install(wheel: Path, venv: Path, folder: Path) -> None:
    """As a user does."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip"), "install", "-qq", f"{wheel}[local]"]
    subprocess.run(pip, check=True, cwd=folder, env=environment(), timeout=600)


def megabytes(folder: Path) -> int:
    """What lies in it."""
    files = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files) // 1_000_000
