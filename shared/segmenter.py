"""
A model's markdown, cut into typed pieces as it comes: text, code by its fence, tables row by row, images.

Lossless: the pieces' contents, joined, are what went in. What a piece is depends on the text alone, never
on how that was cut on its way; what cannot be told yet is held back, never longer than its bounds.
"""

import re
from typing import Literal

import msgspec

from shared import markdown

Kind = Literal["text", "code", "table", "image"]

#: How long a fence's line, with the markers of lists before it, and a table's row may be; else they are text.
_MOST_FENCE_CHARS = 1_000
_MOST_ROW_CHARS = 64_000
_MOST_TABLE_CELLS = 1_000
#: So many beginnings of an image in a line that are none, and no more is looked for: each is read far ahead.
_MOST_NO_IMAGES = 20

_LEAD = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*")
_BEGUN_MARKER = re.compile(r"(?:[-*+]|\d{1,9}[.)]?)$")
_NEXT_MARK = re.compile(r"[\n\\`!]")


class Data(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a piece says beside its content. `markup` is a fence's own line: text that is not for reading."""

    language: str | None = None
    table_data: list[list[str]] | None = None
    image_url: str | None = None
    markup: bool = False
    #: Why a picture that came is not there.
    lost: str | None = None


class Piece(msgspec.Struct, frozen=True):
    """A run of one kind. The rows of `data.table_data` go on where those of the piece before ended."""

    kind: Kind
    content: str
    data: Data | None = None


class _Fence(msgspec.Struct, frozen=True):
    mark: str
    length: int
    indent: int
    data: Data | None


class Segmenter:
    """`feed` it the text in order, then `finish`."""

    def __init__(self) -> None:
        self._held = ""
        self._line_begins = True
        self._fence: _Fence | None = None
        self._in_table = False
        #: The backticks that opened the code span being read, in this line.
        self._span = 0
        #: What looked like an image in this line and was none.
        self._no_images = 0
        self._pieces: list[Piece] = []

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are certain now."""
        return self._cut(text, final=False)

    def finish(self) -> list[Piece]:
        """The rest: nothing more comes."""
        return self._cut("", final=True)

    @property
    def nothing(self) -> Piece:
        """An empty piece of what is being read."""
        if self._fence is not None:
            return Piece("code", "", self._fence.data)
        return Piece("table", "", Data(table_data=[])) if self._in_table else Piece("text", "")

    def _cut(self, text: str, *, final: bool) -> list[Piece]:
        rest = self._held + text
        while rest:
            taken = self._step(rest, final)
            if not taken:
                break
            rest = rest[taken:]
        self._held = rest
        pieces, self._pieces = self._pieces, []
        return pieces

    def _step(self, rest: str, final: bool) -> int:
        """Say what the beginning of *rest* is, and how long that is; 0 when more must come to tell."""
        if self._fence is not None:
            return self._code(rest, self._fence, final)
        if self._in_table:
            return self._row(rest, final)
        if self._line_begins:
            return self._line(rest, final)
        return self._prose(rest, final)

    # -- code ------------------------------------------------------------------------------------------

    def _code(self, rest: str, fence: _Fence, final: bool) -> int:
        line, whole = _first_line(rest, final)
        if self._line_begins:
            closes = _closing(line if line.endswith("\n") or not whole else line + "\n", fence)
            if closes:
                self._fence = None
                return self._put("text", line, Data(markup=True))
            if not whole and closes is None:
                return 0
        self._line_begins = line.endswith("\n")
        return self._put("code", line, fence.data)

    # -- tables ----------------------------------------------------------------------------------------

    def _row(self, rest: str, final: bool) -> int:
        line, whole = _first_line(rest, final)
        begun = line.lstrip(" \t")
        if begun[:1] == "|" and len(line) <= _MOST_ROW_CHARS:
            return self._put("table", line, Data(table_data=[markdown.cells(line)])) if whole else 0
        if not begun and not whole:
            return 0
        self._in_table = False
        return self._step(rest, final)

    def _table(self, rest: str, header: str, final: bool) -> int | None:
        """Its length where *header* begins one, 0 when that is not certain yet, None where it does not."""
        if len(header) > _MOST_ROW_CHARS or not header.endswith("\n"):
            return None
        columns = markdown.cells(header)
        if not 1 <= len(columns) <= _MOST_TABLE_CELLS:
            return None
        below, whole = _first_line(rest[len(header) :], final)
        if not markdown.may_be_delimiters(below) or len(below) > _MOST_ROW_CHARS:
            return None
        if not whole:
            return 0
        if len(markdown.cells(below)) != len(columns) or not markdown.is_delimiters(below):
            return None
        self._in_table = True
        return self._put("table", header + below, Data(table_data=[columns]))

    # -- text ------------------------------------------------------------------------------------------

    def _line(self, rest: str, final: bool) -> int:
        """A line's beginning: whether it is a fence's, a table's, or prose."""
        line, whole = _first_line(rest, final)
        indent = _indent(line)
        begun = line[indent:]
        if not whole and len(line) <= _MOST_FENCE_CHARS and (not begun or _BEGUN_MARKER.match(begun)):
            return 0
        if begun[:1] == "|":
            if not whole and len(line) <= _MOST_ROW_CHARS:
                return 0
            length = self._table(rest, line, final)
            if length is not None:
                return length
        elif begun[:1] in {"`", "~"}:
            opens = _opening(begun, whole)
            if opens is None and len(line) <= _MOST_FENCE_CHARS:
                return 0
            if opens and whole and len(line) <= _MOST_FENCE_CHARS:
                self._fence = _fence(begun, indent)
                return self._put("text", line, Data(markup=True))
        self._line_begins, self._span, self._no_images = False, 0, 0
        return self._put("text", line[:indent]) or self._prose(rest, final)

    def _prose(self, rest: str, final: bool) -> int:
        """Text up to the line's end, or to an image, or to what cannot be told yet."""
        at = 0
        while mark := _NEXT_MARK.search(rest, at):
            begins, at = mark.start(), mark.end()
            if mark.group() == "\n":
                self._line_begins = True
                return self._put("text", rest[:at])
            if mark.group() == "`":
                at = begins + _run(rest, begins)
                if at == len(rest) and not final:
                    return self._put("text", rest[:begins])
                self._span = {0: at - begins, at - begins: 0}.get(self._span, self._span)
            elif self._span:
                continue
            elif at == len(rest):
                return self._put("text", rest if final else rest[:begins])
            elif mark.group() == "\\":
                at += rest[at] != "\n"
            elif rest[at] == "[" and self._no_images < _MOST_NO_IMAGES:
                image = markdown.image(rest, begins)
                if image is None and not final:
                    return self._put("text", rest[:begins])
                if image:
                    self._put("text", rest[:begins])
                    self._put("image", rest[begins : image.end], Data(image_url=image.url))
                    return image.end
                self._no_images += 1
        return self._put("text", rest)

    def _put(self, kind: Kind, content: str, data: Data | None = None) -> int:
        if not content:
            return 0
        last = self._pieces[-1] if self._pieces else None
        if last is None or last.kind != kind or kind == "image":
            self._pieces.append(Piece(kind, content, data))
        elif kind == "table" and last.data and data and last.data.table_data and data.table_data:
            rows = [*last.data.table_data, *data.table_data]
            self._pieces[-1] = Piece(kind, last.content + content, Data(table_data=rows))
        elif last.data == data:
            self._pieces[-1] = Piece(kind, last.content + content, data)
        else:
            self._pieces.append(Piece(kind, content, data))
        return len(content)


def _first_line(rest: str, final: bool) -> tuple[str, bool]:
    """The first line with its end, and whether all of it is there."""
    end = rest.find("\n") + 1
    return (rest[:end], True) if end else (rest, final)


def _indent(line: str) -> int:
    lead = _LEAD.match(line)
    return lead.end() if lead else 0


def _run(text: str, at: int) -> int:
    """How often the character at *at* comes there."""
    end = at
    while end < len(text) and text[end] == text[at]:
        end += 1
    return end - at


def _opening(begun: str, whole: bool) -> bool | None:
    """Whether *begun* opens a fence; None when more must come to tell."""
    run = _run(begun, 0)
    info = begun[run:]
    if run < 3 and info:
        return False
    if begun[0] == "`" and "`" in info:
        return False
    return run >= 3 if whole else None


def _fence(begun: str, indent: int) -> _Fence:
    run = _run(begun, 0)
    words = begun[run:].split(maxsplit=1)
    language = words[0].strip("{}.") if words else ""
    return _Fence(begun[0], run, indent, Data(language=language) if language else None)


def _closing(line: str, fence: _Fence) -> bool | None:
    """Whether *line* closes *fence*; None when more must come to tell."""
    begun = line.lstrip(" \t")
    if len(line) > _MOST_FENCE_CHARS or len(line) - len(begun) > fence.indent + 3:
        return False
    if not begun:
        return False if line.endswith("\n") else None
    run = _run(begun, 0) if begun[0] == fence.mark else 0
    if not run or begun[run:].strip():
        return False
    if run < fence.length:
        return None if not begun[run:] else False
    return True if line.endswith("\n") else None
