"""Markdown, cut into typed pieces: nothing is lost, and no cut on the way changes what a piece is."""

import time
from itertools import pairwise

import pytest

from shared.segmenter import Data, Piece, Segmenter
from tests.kit.texts import texts

FENCE = Data(markup=True)

_LINES = [
    *("prose", "a | b", "| a | b |", "|---|:-:|", "| 1 | 2 |", "|--|", "- | x |", "", " -", "12", "表格 🙂"),
    *(
        "```",
        "```python",
        "~~~",
        "````",
        "  ```js",
        "> ```",
        "1. ```c",
        "   - ~~~",
        "``` a`b",
        "`code ![x](y)`",
    ),
    *("![alt](https://x.org/a.png)", "![a](b 'c') and ![d](<e f>)", "![open", "![a](b", "\\![a](b)"),
]
_ALPHABET = "|`~-!:[]() \\ab\t\r\n🙂你"
_EXAMPLES = [("| a |\n|---|\n| 1 |", [[3, 9, 12, 14]]), ("```\n```", [[2, 6]])]


def cut(text: str, at: list[int]) -> list[Piece]:
    """Its pieces, when it comes cut at these places; neighbours of one kind joined."""
    segmenter, pieces = Segmenter(), []
    for begin, end in pairwise([0, *sorted(place % (len(text) + 1) for place in at), len(text)]):
        pieces += segmenter.feed(text[begin:end])
    return joined([*pieces, *segmenter.finish()])


def joined(pieces: list[Piece]) -> list[Piece]:
    """What a client does with them."""
    whole: list[Piece] = []
    for piece in pieces:
        last = whole[-1] if whole else None
        if last is None or last.kind != piece.kind or piece.kind == "image":
            whole.append(piece)
        elif piece.kind == "table":
            table = Data(table_data=rows(last) + rows(piece))
            whole[-1] = Piece("table", last.content + piece.content, table)
        elif last.data == piece.data:
            whole[-1] = Piece(piece.kind, last.content + piece.content, piece.data)
        else:
            whole.append(piece)
    return whole


def rows(piece: Piece) -> list[list[str]]:
    """A table's."""
    assert piece.data is not None
    assert piece.data.table_data is not None
    return piece.data.table_data


def test_nothing_is_lost_and_no_cut_tells() -> None:
    """A thousand texts, with CRLF, nested fences, tables in lists, unclosed ends, cut anywhere, or not."""
    for text, cuts in [*_EXAMPLES, *texts(_LINES, _ALPHABET, ["\n", "\r\n", ""])]:
        pieces = cut(text, [])
        assert "".join(piece.content for piece in pieces) == text, text
        for at in cuts:
            assert pieces == cut(text, at), (text, at)


def kinds(text: str) -> list[tuple[str, str]]:
    """Kind and content of its pieces, fences' own lines left out."""
    return [(piece.kind, piece.content) for piece in cut(text, []) if piece.data != FENCE]


@pytest.mark.parametrize(
    ("text", "language", "code"),
    [
        ("```python\nprint(1)\n```\n", "python", "print(1)\n"),
        ("~~~ C++ title\na\n\n```\n~~~\nb", "C++", "a\n\n```\n"),
        ("````md\n```js\nx\n```\n````", "md", "```js\nx\n```\n"),
        ("- list\n  1. ```sh\n     ls\n     ```\n", "sh", "     ls\n"),
        ("```\r\nx\r\n```\r\n", None, "x\r\n"),
        ("```js\nnever closed", "js", "never closed"),
    ],
)
def test_code(text: str, language: str | None, code: str) -> None:
    """Its language is the fence's first word; the fence's own lines are no code."""
    [piece] = [piece for piece in cut(text, []) if piece.kind == "code"]
    assert piece.content == code
    assert (piece.data.language if piece.data else None) == language


def test_code_that_is_none() -> None:
    """Backticks in an info string, a short run, a span within its line."""
    for text in ("``` a`b\n", "``\nx\n``\n", "see ```x``` here\n", "> ```\n"):
        assert {piece.kind for piece in cut(text, [])} == {"text"}, text


def test_a_table_comes_row_by_row() -> None:
    """The header with the first piece, each row once it is complete."""
    segmenter = Segmenter()
    assert segmenter.feed("So:\n\n| a | b |\n|---|") == [Piece("text", "So:\n\n")]
    [header] = segmenter.feed(":-:|\n| 1 ")
    assert rows(header) == [["a", "b"]]
    [row] = segmenter.feed("| x \\| y |\n| 2 | `z")
    assert (row.content, rows(row)) == ("| 1 | x \\| y |\n", [["1", "x | y"]])
    row, text = segmenter.feed("` |\n\nThat")
    assert (rows(row), text) == ([["2", "`z`"]], Piece("text", "\nThat"))


@pytest.mark.parametrize("text", ["| a | b |\n|---|\n", "| a |\nb\n", "| a |", "a || b\n\n| x |\n\n|--|\n"])
def test_a_table_that_is_none(text: str) -> None:
    """Too few columns, no delimiters below."""
    assert {piece.kind for piece in cut(text, [])} == {"text"}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("![a](https://x.org/b.png)", "https://x.org/b.png"),
        ("![](/api/blobs/1)", "/api/blobs/1"),
        ('![a [b]](c(d)e "t(t)")', "c(d)e"),
        ("![a](<b c> 'd')", "b c"),
        ("![a](data:image/png;base64,AAAA)", "data:image/png;base64,AAAA"),
        ("![a](/b?c=1&amp;d=2&copy=3)", "/b?c=1&d=2&copy=3"),
    ],
)
def test_an_image(text: str, url: str) -> None:
    """In the middle of a line, its address read."""
    before, image, after = cut(f"see {text}, nice", [])
    assert (before, after) == (Piece("text", "see "), Piece("text", ", nice"))
    assert (image.kind, image.content, image.data) == ("image", text, Data(image_url=url))


@pytest.mark.parametrize(
    "text",
    [
        "`![a](b)`",
        "`` ` ![a](b)``",
        "\\![a](b)",
        "![a]",
        "![a] (b)",
        "![a](b c)",
        "![a](javascript:x)",
        "![a](data:text/html,x)",
        "![a](<javascript:x>)",
        "![a](&#106;avascript:x)",
        "![a](javascript&colon;x)",
        "![a](java&Tab;script\\:x)",
        "![a](&#x64;ata:text/html,x)",
        "![a](vbscript:x)",
        "![a\n](b)",
        "![a]()",
    ],
)
def test_an_image_that_is_none(text: str) -> None:
    """In a code span, escaped, cut off, or with an address that no image has."""
    assert kinds(text) == [("text", text)]


@pytest.mark.parametrize(
    "text", ["| a |\n" + " " * 60_000 + "x", "![" * 30_000, "![a](" * 12_000, "[![a" * 15_000 + "\n"]
)
def test_nothing_is_read_again_and_again(text: str) -> None:
    """A text that is all beginnings takes no time that grows with its square."""
    begun = time.process_time()
    assert "".join(piece.content for piece in cut(text, [])) == text
    assert time.process_time() - begun < 2, "it takes 0.1 s, and took minutes"


def test_a_thousand_columns() -> None:
    """They are a table; so is a row that has more."""
    header, row = "| a " * 1000 + "|\n", "| 1 " * 1200 + "|\n"
    [table] = cut(header + "|-" * 1000 + "|\n" + row, [])
    assert [len(each) for each in rows(table)] == [1000, 1200]


def test_what_is_held_is_bounded() -> None:
    """However long that goes on which could become a table, an image or a fence."""
    for begun in ("| " + "x" * 70_000, "![" + "x" * 3_000, "![a](" + "x" * 9_000, "```" + "x" * 2_000):
        assert "".join(piece.content for piece in Segmenter().feed(begun)) == begun
