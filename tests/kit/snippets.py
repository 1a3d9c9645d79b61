"""The snippets of the documents: what stands between fences in each Markdown file that git knows."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^\n`]*)\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """Where it stands, what its fence says it is, and what it says."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def snippets_of(text: str, document: str) -> Iterator[Snippet]:
    """All of a document's."""
    for found in _FENCE.finditer(text):
        language = (found[3].split() or [""])[0]
        indent = len(found[1])
        body = "".join(
            line[indent:] if line[:indent].isspace() else line for line in found[4].splitlines(True)
        )
        yield Snippet(document, text[: found.start()].count("\n") + 1, language, body)


def all_snippets() -> list[Snippet]:
    """Of every document of the project's."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [
        snippet
        for name in sorted({*listed})
        if (ROOT / name).is_file()
        for snippet in snippets_of((ROOT / name).read_text(), name)
    ]


def commands(script: str) -> Iterator[list[str]]:
    """The words of each command of a shell *script*, without comments; settings before it are left in."""
    for line in re.sub(r"\\\n", " ", script).splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words
