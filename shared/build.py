"""Which build of Headrace this is: its version, and what it was built from."""

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

#: Beside this file in a wheel, by `deploy/wheel.py`; a checkout has none.
_BUILT = Path(__file__).with_name("build.json")


class Source(msgspec.Struct, frozen=True):
    """
    What a wheel was built from; `dirty` where the tree had more than the commit. That is `unknown` where
    nobody could tell: of a copy without its history, such as an image's.
    """

    commit: str
    committed_at: str | None = None
    dirty: bool = False


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is null where this runs from a checkout."""

    version: str
    source: Source | None
    python: str

    @property
    def labels(self) -> dict[str, str]:
        """Of its metric: short, and empty where there is nothing to say."""
        commit = self.source.commit[:12] if self.source else ""
        return {"version": self.version, "commit": commit, "python": self.python}

    def __str__(self) -> str:
        if self.source is None:
            return f"headrace {self.version} (a checkout, Python {self.python})"
        dirty = " and changes" if self.source.dirty else ""
        day = f", {self.source.committed_at[:10]}" if self.source.committed_at else ""
        commit = f"commit {self.source.commit[:12]}{dirty}{day}"
        return f"headrace {self.version} ({commit}, Python {self.python})"


@cache
def running() -> Build:
    """This process's."""
    source = msgspec.json.decode(_BUILT.read_bytes(), type=Source) if _BUILT.is_file() else None
    return Build(version=version("headrace"), source=source, python=platform.python_version())
