"""A throw-away copy of the work tree: faults are planted there, and its tests run there."""

import os
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

from tests.mutants.mutant import ROOT, Mutant

#: What is installed or built, and is the same in a copy.
_LINKED = ("gateway/web/node_modules", "gateway/web/dist", "tests/node/node_modules")
#: After its time is up, pytest may still end what its tests have started.
_LAST_WORDS_S = 20.0
_WEB = "gateway/web/"
#: What every process of the tests imports.
_COMPILED = ("gateway/dialects", "gateway/edge", "gateway/relay", "shared", "worker", "deploy")


class Verdict(NamedTuple):
    """What tests said: all passed, one failed, none came to an end in time, or they could not be run."""

    kind: Literal["passed", "failed", "late", "broken"]
    seconds: float
    output: str


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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def run(self, tests: Sequence[str], limit_s: float) -> Verdict:
        """Run *tests* up to the first that fails, for *limit_s* at most."""
        began = time.monotonic()
        verdict = Verdict("passed", 0, "")
        for command in _commands(tests):
            kind, output = self._run(command, limit_s - (time.monotonic() - began))
            verdict = Verdict(kind, time.monotonic() - began, output)
            if verdict.kind != "passed":
                break
        return verdict

    def _run(
        self, command: Sequence[str], limit_s: float
    ) -> tuple[Literal["passed", "failed", "late", "broken"], str]:
        # By default those are told apart by size and second: a fault may change neither.
        paths = os.pathsep.join([str(self.root), str(self.root / "deploy/checkout")])
        ours = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "MUTANTS_BED": str(self.root)}
        with tempfile.TemporaryFile("w+") as out:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, **ours},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            late = False
            try:
                process.wait(max(1.0, limit_s))
            except subprocess.TimeoutExpired:
                late = True
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LAST_WORDS_S)
            finally:
                self._end_all()
                process.wait()
            out.seek(0)
            output = out.read()
        if late:
            return "late", output
        if process.returncode == 1 and "No test files found" not in output:
            return "failed", output
        return ("passed" if process.returncode == 0 else "broken"), output

    def _end_all(self) -> None:
        """End whatever was started for this copy, and nothing else: each such process has our mark."""
        mark = f"MUTANTS_BED={self.root}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)


def _commands(tests: Sequence[str]) -> Iterator[list[str]]:
    """pytest for all that are its own, vitest for each of the others."""
    ours = [test for test in tests if not test.startswith(_WEB)]
    if ours:
        yield [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *ours]
    for test in tests:
        if test.startswith(_WEB):
            file, _, name = test.removeprefix(_WEB).partition("::")
            only = ["-t", name] if name else []
            npm = [sys.executable, "-m", "deploy.page.node", _WEB.rstrip("/"), "run", "--silent", "test"]
            yield [*npm, "--", file, "--bail", "1", *only]
