"""A throw-away copy of the work tree: faults are planted there, and its tests run there."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self
from xml.etree import ElementTree

from tests.mutants.mutant import ROOT, Mutant

#: What is installed or built, and is the same in a copy.
_LINKED = ("gateway/web/node_modules", "gateway/web/dist", "tests/node/node_modules")
#: After its time is up, pytest may still end what its tests have started.
_LAST_WORDS_S = 20.0
_WEB = "gateway/web/"
#: What every process of the tests imports.
_COMPILED = ("gateway", "shared", "worker", "deploy", "tests/kit")


Kind = Literal["passed", "failed", "late", "broken"]


class Ran(NamedTuple):
    """One test that ran: pytest's node id, or the file of vitest's; what it said where it failed."""

    test: str
    seconds: float
    failure: str


class Verdict(NamedTuple):
    """What tests said: all passed, one failed, they came to no end in time, or they could not be run."""

    kind: Kind
    seconds: float
    output: str
    ran: list[Ran]

    @property
    def failed(self) -> list[Ran]:
        """Those that failed."""
        return [ran for ran in self.ran if ran.failure]


class Bed:
    """One copy; a context manager that leaves nothing behind, neither files nor processes."""

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="headrace-mutants-"))
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listing.stdout.decode().split("\0")):
            source, target = ROOT / name, self.root / name
            if source.is_symlink() or source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        for name in _LINKED:
            if (ROOT / name).exists():
                (self.root / name).symlink_to(ROOT / name)
        # Told apart by content, so that only the module with the fault is compiled anew.
        compiled = ("compileall", "-q", "--invalidation-mode", "checked-hash", *_COMPILED)
        subprocess.run([sys.executable, "-m", *compiled], cwd=self.root, check=True)
        paths = os.pathsep.join([str(self.root), str(self.root / "deploy/checkout")])
        ours = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "MUTANTS_BED": str(self.root)}
        self._env = {**os.environ, **ours}
        warm = [sys.executable, "-P", "tests/mutants/warm.py"]
        self._warm = subprocess.Popen(
            warm, cwd=self.root, env=self._env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warm.communicate()
        self._end_all()
        shutil.rmtree(self.root, ignore_errors=True)

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """*mutant* stands in the copy, for as long as the block lasts. Raises `DoesNotApply`."""
        file = self.root / mutant.at
        source = file.read_text()
        file.write_text(mutant.planted(source))
        try:
            yield
        finally:
            file.write_text(source)

    def run(self, tests: Sequence[str], limit_s: float, *, first: bool = True) -> Verdict:
        """Run *tests*, pytest's, then vitest's, for *limit_s* at most, up to the *first* that fails."""
        began = time.monotonic()
        verdict = Verdict("passed", 0, "", [])
        report = self.root / "ran.xml"
        for is_pytest, command in _commands(tests, report, limit_s, first):
            report.unlink(missing_ok=True)
            left_s = max(1.0, limit_s - (time.monotonic() - began))
            kind, output = (self._pytest if is_pytest else self._program)(command, left_s)
            ran = verdict.ran + _read(report)
            if kind != "passed" or verdict.kind == "passed":
                verdict = verdict._replace(kind=kind)
            verdict = verdict._replace(
                seconds=time.monotonic() - began, output=verdict.output + output, ran=ran
            )
            if kind in {"late", "broken"} or (first and kind == "failed"):
                break
        return verdict

    def _pytest(self, arguments: Sequence[str], limit_s: float) -> tuple[Kind, str]:
        output = self.root / "output"
        assert self._warm.stdin is not None and self._warm.stdout is not None
        print(json.dumps([arguments, str(output)]), file=self._warm.stdin, flush=True)
        pid = int(self._warm.stdout.readline())
        late, patience_s = False, limit_s
        while not select.select([self._warm.stdout], [], [], patience_s)[0]:
            os.kill(pid, signal.SIGKILL if late else signal.SIGINT)
            late, patience_s = True, _LAST_WORDS_S
        code = int(self._warm.stdout.readline())
        self._end_all()
        said = output.read_text()
        # A time-out that comes while a failure is being put into words ends pytest by an error of its own.
        return _kind(late or (code > 1 and "from pytest-timeout" in said), code), said

    def _program(self, command: Sequence[str], limit_s: float) -> tuple[Kind, str]:
        with tempfile.TemporaryFile("w+") as out:
            process = subprocess.Popen(
                command, cwd=self.root, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            late = False
            try:
                process.wait(limit_s)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                self._end_all()
                process.wait()
            out.seek(0)
            output = out.read()
        code = 2 if "No test files found" in output else process.returncode
        return _kind(late, code), output

    def _end_all(self) -> None:
        """End whatever was started for this copy, and nothing else: each such process has our mark."""
        mark = f"MUTANTS_BED={self.root}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int(process.name) != self._warm.pid and mark in (process / "environ").read_bytes().split(
                    b"\0"
                ):
                    os.kill(int(process.name), signal.SIGKILL)


def _kind(late: bool, code: int) -> Kind:
    if late:
        return "late"
    return "passed" if code == 0 else "failed" if code == 1 else "broken"


def _commands(
    tests: Sequence[str], report: Path, limit_s: float, first: bool
) -> Iterator[tuple[bool, list[str]]]:
    """pytest's arguments for all of its own, a command of vitest for each other; all write a *report*."""
    ours = [test for test in tests if not test.startswith(_WEB)]
    if ours:
        options = ["-q", "-n", "0", "-p", "no:cacheprovider", *(["-x"] if first else [])]
        options += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
        # One that hangs leaves time to say which it was.
        options += ["--timeout", str(max(1.0, 0.8 * limit_s))]
        yield True, [*options, *ours]
    for test in tests:
        if test.startswith(_WEB):
            file, _, name = test.removeprefix(_WEB).partition("::")
            only = ["-t", name] if name else []
            npm = [sys.executable, "-m", "deploy.page.node", _WEB.rstrip("/"), "run", "--silent", "test"]
            yield (
                False,
                [*npm, "--", file, "--bail", "1", "--reporter=junit", f"--outputFile={report}", *only],
            )


def _read(report: Path) -> list[Ran]:
    """In JUnit's format, which both write; vitest's files are named from its own root."""
    ran: list[Ran] = []
    if not (report.exists() and report.stat().st_size):
        return ran  # one that was ended before it had written any
    for case in ElementTree.parse(report).iter("testcase"):
        failures = [f"{it.get('message')}\n{it.text}" for it in case if it.tag in {"failure", "error"}]
        file, name = case.get("file"), case.get("name")
        test = f"{file}::{name}" if file else _WEB + str(case.get("classname"))
        ran.append(Ran(test, float(case.get("time", 0)), "\n".join(failures)))
    return ran
