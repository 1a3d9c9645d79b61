"""
Let mutmut plant all that it can think of in the pure modules, and list what their unit tests let pass.

It tells of tests that look at too little. Most of what it plants breaks no promise, so nothing depends on its
count. Which modules and tests those are, `[tool.mutmut]` in pyproject.toml says.
"""

import subprocess
import sys

from tests.mutants.bed import Bed


def main() -> None:
    """In a throw-away copy; then all that survived, by name, and the first few as patches."""
    with Bed() as bed:

        def mutmut(*arguments: str) -> str:
            command = [sys.executable, "-m", "mutmut", *arguments]
            return subprocess.run(command, cwd=bed.root, check=True, stdout=subprocess.PIPE, text=True).stdout

        subprocess.run([sys.executable, "-m", "mutmut", "run", *sys.argv[1:]], cwd=bed.root, check=True)
        survivors = [
            line.split(":")[0].strip() for line in mutmut("results").splitlines() if "survived" in line
        ]
        for name in survivors:
            print(mutmut("show", name))
        print(f"{len(survivors)} survived")


if __name__ == "__main__":
    main()
