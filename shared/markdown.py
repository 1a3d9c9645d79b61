"""The little of markdown that the segmenter must read: a table's rows, an image."""

import html
import re
from typing import NamedTuple

# Nothing of a line is looked at twice: a model that is asked for a line of 60,000 spaces must hold nobody up.
_DELIMITERS = re.compile(r"[ \t]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+\r?\n?")
_MAY_BE_DELIMITERS = re.compile(r"[ \t|:\-]*\r?\n?")
_CELL_END = re.compile(r"\\.|\|", re.DOTALL)
_SAFE_ADDRESS = re.compile(r"(?:https?://|data:image/|/|\./|\.\./|[^:/?#]*(?:[/?#]|$))", re.IGNORECASE)

_ESCAPE = re.compile(r"\\([^\w\s])|(&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z]\w{1,31});)")

_BRACKETS = {"[": re.compile(r"\\.|[\[\]\n]"), "(": re.compile(r"\\.|[()\n]")}

#: Each is looked at anew with every piece that comes, so neither may be long.
_MOST_ALT_CHARS = 2_000
_MOST_ADDRESS_CHARS = 8_000


def is_delimiters(line: str) -> bool:
    """Whether *line* is the row below a table's header."""
    return _DELIMITERS.fullmatch(line) is not None


def may_be_delimiters(begun: str) -> bool:
    """Whether a line that begins so may become one."""
    return _MAY_BE_DELIMITERS.fullmatch(begun) is not None


def cells(line: str) -> list[str]:
    """The cells of a table's row, trimmed; `\\|` is a bar."""
    row = line.strip()
    row = row[1:] if row.startswith("|") else row
    found, begin = [], 0
    for bar in _CELL_END.finditer(row):
        if bar.group() == "|":
            found.append(row[begin : bar.start()])
            begin = bar.end()
    if begin < len(row) or not found:
        found.append(row[begin:])
    return [cell.strip().replace("\\|", "|") for cell in found]


class Image(NamedTuple):
    """An image in a text: where it ends, and its address. False where there is none."""

    end: int
    url: str

    def __bool__(self) -> bool:
        return self.end > 0


NO_IMAGE = Image(0, "")


def image(text: str, at: int) -> Image | None:
    """The image that begins with `![` at *at*; None when more must come to tell."""
    end = _closed(text, at + 1, "[", "]", _MOST_ALT_CHARS)
    if end is None or end == len(text):
        return None
    if not end or text[end] != "(":
        return NO_IMAGE
    begin = end
    end = _closed(text, begin, "(", ")", _MOST_ADDRESS_CHARS)
    if end is None:
        return None
    inside = text[begin + 1 : end - 1].strip(" \t") if end else ""
    if inside.startswith("<"):
        url, closed, title = inside[1:].partition(">")
        if not closed:
            return NO_IMAGE
    else:
        url, _, title = inside.partition(" ")
    title = title.strip()
    if title and not (len(title) > 1 and (title[0] + title[-1]) in {'""', "''", "()"}):
        return NO_IMAGE
    # As a browser will have it, or it could be another than what is looked at here.
    url = _ESCAPE.sub(lambda found: found[1] or html.unescape(found[2]), url)
    return Image(end, url) if url and _SAFE_ADDRESS.match(url) else NO_IMAGE


def _closed(text: str, at: int, opens: str, closes: str, most: int) -> int | None:
    """Where the bracket at *at* has closed, in its line; 0 where it does not, None when it may yet."""
    depth = 0
    for mark in _BRACKETS[opens].finditer(text, at, at + most):
        found = mark.group()
        if found == "\n":
            return 0
        depth += {opens: 1, closes: -1}.get(found, 0)
        if not depth:
            return mark.end()
    return None if len(text) < at + most else 0
