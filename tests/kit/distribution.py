"""Which tests share a process of pytest-xdist: those that share what is dear to start."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

#: Their tests share one browser, one `headrace up`; of all others, a file shares a process.
_WHOLE_FOLDERS = ("tests/browser/", "tests/e2e/")


class Distribution(LoadFileScheduling):  # type: ignore[misc]
    """`--dist loadfile`, but for these folders."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        # In their order, which begins with these folders: what takes longest begins first.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        whole = (folder for folder in _WHOLE_FOLDERS if nodeid.startswith(folder))
        return next(whole, nodeid.split("::")[0])


def in_order(items: list[pytest.Item]) -> None:
    """Those folders first."""
    items.sort(key=lambda item: not item.nodeid.startswith(_WHOLE_FOLDERS))
