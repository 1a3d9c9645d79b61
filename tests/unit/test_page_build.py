"""The chat page is built when it has changed, once at a time, and its packages are asked about."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from deploy.page import node, page
from tests.kit.eventually import eventually
from tests.kit.registry import PACKAGE, Registry

#: Counts its runs beside the page.
_BUILD = """
const fs = require('fs');
fs.mkdirSync('dist/page', {recursive: true});
fs.appendFileSync('dist/runs', '.');
fs.writeFileSync('dist/page/index.html', fs.readFileSync('page.txt'));
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """The one that npm asks."""
    registry = Registry()
    with registry.open():
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", registry.url)
        monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "npm-cache"))
        yield registry


@pytest.fixture
def folder(tmp_path: Path, registry: Registry) -> Path:
    """Sources of a page that depends on the registry's package."""
    folder = tmp_path / "web"
    folder.mkdir()
    package = {
        "name": "page",
        "version": "1.0.0",
        "scripts": {"build": "node build.cjs"},
        "devDependencies": {PACKAGE: "1.0.0"},
    }
    root = {name: package[name] for name in ("name", "version", "devDependencies")}
    packages = {"": root, f"node_modules/{PACKAGE}": registry.locked}
    lock = {"name": "page", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    (folder / "build.cjs").write_text(_BUILD)
    (folder / "page.txt").write_text("one")
    return folder


@pytest.fixture
def installed(folder: Path) -> Path:
    """The same with its package in place, which takes npm as long as the build."""
    package = folder / "node_modules" / PACKAGE
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": PACKAGE, "version": "1.0.0"}))
    (folder / "node_modules" / ".installed").write_text(node.fingerprint(folder))
    return folder


def runs(folder: Path) -> int:
    """How often it was built."""
    return len((folder / "dist" / "runs").read_text())


def test_only_what_has_changed(folder: Path, registry: Registry) -> None:
    """The first build is said; the next does nothing; another source, and only that, makes it anew."""
    said: list[str] = []
    page.build(said.append, folder)
    assert said == ["building the chat page (the first time takes a minute)"]
    assert (folder / "node_modules" / PACKAGE / "package.json").is_file()
    page.build(said.append, folder)
    (folder / "page.test.ts").write_text("not built")
    page.build(said.append, folder)
    assert (len(said), runs(folder), registry.audits) == (1, 1, 1)
    (folder / "page.txt").write_text("two")
    page.build(said.append, folder)
    assert (folder / "dist" / "page" / "index.html").read_text() == "two"
    assert (len(said), runs(folder)) == (2, 2)


def test_one_at_a_time(installed: Path) -> None:
    """Of two builds in one checkout one waits, and finds it done."""
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(page.build, print, installed) for _ in range(3)]:
            done.result()
    assert runs(installed) == 1


def test_a_build_that_fails(installed: Path) -> None:
    """What went wrong is said; an older page stays, and the next call tries again."""
    older = installed / "dist" / "page" / "index.html"
    older.parent.mkdir(parents=True)
    older.write_text("one")
    (installed / "build.cjs").write_text("throw new Error('no such colour')")
    with pytest.raises(page.BuildFailed, match="no such colour"):
        page.build(print, installed)
    said: list[str] = []
    page.refresh(said.append, installed)
    assert "no such colour" in said[-2]
    assert said[-1] == "going on with the chat page as it was built before"
    assert older.read_text() == "one"


def test_a_lock_that_does_not_fit(folder: Path) -> None:
    """The packages are those of the lock or none."""
    (folder / "package.json").write_text(
        (folder / "package.json").read_text().replace('"1.0.0"}', '"2.0.0"}')
    )
    said: list[str] = []
    page.refresh(said.append, folder)
    assert "npm ci failed" in said[-2]
    assert PACKAGE in said[-2]
    assert said[-1] == "going on without the chat page"


def test_a_grave_weakness(installed: Path, registry: Registry) -> None:
    """
    It fails the build until it is gone or slight, though the page stands; `headrace up` says so and goes on.
    """
    registry.severity = "high"
    with pytest.raises(page.Unsafe, match=rf"{PACKAGE} \(high\)"):
        page.build(print, installed)
    registry.severity = "critical"
    said: list[str] = []
    page.refresh(said.append, installed)
    assert [f"{PACKAGE} (critical)" in line for line in said] == [True]
    assert runs(installed) == 1
    registry.severity = "moderate"
    page.build(said.append, installed)
    assert len(said) == 1


def test_a_registry_without_audit(installed: Path, registry: Registry) -> None:
    """That nothing was checked is said in one line, and is no failure."""
    registry.has_audit = False
    said: list[str] = []
    page.build(said.append, installed)
    assert said[1:] == ["npm audit: the registry does not answer it, so the page's packages were not checked"]


def test_an_installed_package_has_no_sources(tmp_path: Path) -> None:
    """Then there is nothing to build and nothing to say."""
    said: list[str] = []
    page.refresh(said.append, tmp_path)
    assert not said


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_outlives_it(installed: Path, signum: signal.Signals) -> None:
    """However a build is ended, what npm has started ends with it."""
    (installed / "build.cjs").write_text(
        "require('fs').writeFileSync('pid', String(process.pid)); setInterval(() => {}, 1000)"
    )
    code = "import sys, pathlib; from deploy.page import page; page.build(print, pathlib.Path(sys.argv[1]))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(installed)),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Whoever runs the tests in the background ignores it, and so would this.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    pid_file = installed / "pid"
    await eventually(lambda: pid_file.is_file() and bool(pid_file.read_text()), "the build runs", 30)
    pid = int(pid_file.read_text())
    process.send_signal(signum)
    await process.wait()
    await eventually(lambda: not lives(pid), "npm's script ends", 10)


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return not done.stdout.startswith("Z") and bool(done.stdout)
