"""
Let cosmic-ray plant all that it can think of in the pure modules, and list what their unit tests let pass.

It tells of tests that look at too little; most of what it plants breaks no promise: nothing depends on its count.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.mutants.bed import Bed

#: Modules without a broker or a network, and the tests that are theirs.
PURE = {
    "deploy/client/sse.py": "tests/unit/test_sse.py tests/unit/test_sse_corpus.py",
    "gateway/edge/nulls.py": "tests/unit/test_nulls.py",
    "gateway/relay/outbox.py": "tests/unit/test_outbox.py",
    "shared/outcome.py": "tests/unit/test_outcome.py tests/unit/test_voided.py",
    "shared/position.py": "tests/unit/test_position.py",
    "worker/backends/sse.py": "tests/unit/test_upstream_sse.py",
    "worker/deadline.py": "tests/unit/test_deadline.py",
    "worker/prompt.py": "tests/unit/test_prompt.py",
}
_CONFIGURATION = """
[cosmic-ray]
module-path = "{module}"
timeout = {limit_s}
excluded-modules = []
test-command = "{python} -m pytest -x -q -n 0 -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""
_LIMIT_S = 60.0


def survey(root: Path, module: str) -> str:
    """What came of all faults in *module*, in a copy at *root*; the survivors each with its place."""
    configuration, session = root / "survey.toml", root / "survey.sqlite"
    session.unlink(missing_ok=True)
    configuration.write_text(
        _CONFIGURATION.format(module=module, limit_s=_LIMIT_S, python=sys.executable, tests=PURE[module])
    )
    _run(root, "cosmic-ray", "init", configuration.name, session.name)
    _run(root, "cosmic-ray", "exec", configuration.name, session.name)
    return _run(root, "cr-report", "--surviving-only", "--show-diff", session.name)


def _run(root: Path, program: str, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / program), *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """One module after another, each in the same throw-away copy."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.survey", description=__doc__)
    parser.add_argument("--only", default="", help="modules that have this in their names")
    options = parser.parse_args()
    with Bed() as bed:
        for module in PURE:
            if options.only in module:
                print(f"== {module}\n{survey(bed.root, module)}", flush=True)


if __name__ == "__main__":
    main()
