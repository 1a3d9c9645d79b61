"""
The `headrace` command, also as `python -m headrace`.

Here and nowhere else the client's package meets the system that it is installed with: it makes `deploy`,
`gateway`, `shared` and `worker` importable, before anything of a project that has the same names.
"""

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """The console script's entry."""
    installed = Path(__file__).with_name("system")
    # In a checkout this file lies in deploy/client, by whatever name it was found.
    root = installed if installed.is_dir() else Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root))
    import_module("deploy.cli").main()


if __name__ == "__main__":
    main()
