"""
The `headrace` command, also as `python -m headrace`.

Here and nowhere else the client's package meets the system that it is installed with: it makes `deploy`,
`gateway`, `shared` and `worker` importable, before anything of a project that has the same names.
"""

import os
import sys


def main() -> None:
    """The console script's entry."""
    # Without pathlib, which takes its time: Ctrl-C is heard from deploy/__main__.py on.
    path = os.path
    root = path.join(path.dirname(__file__), "system")
    if not path.isdir(root):
        # In a checkout this file lies in deploy/client, by whatever name it was found.
        root = path.dirname(path.dirname(path.dirname(path.realpath(__file__))))
    sys.path.insert(0, root)
    __import__("deploy.__main__")
    sys.modules["deploy.__main__"].main()


if __name__ == "__main__":
    main()
