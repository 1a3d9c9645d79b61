"""What is said of written text: markdown's marks, addresses and pictures are for the eye."""

import html
import re
import unicodedata

_BLOCK_MARK = re.compile(
    r"^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?)?", re.MULTILINE
)
_RULE = re.compile(r"^[ \t]*([-*_=])(?:[ \t]*\1){2,}[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_AUTOLINK = re.compile(r"<(?:https?://(?:www\.)?([^\s/?#<>]+)[^\s<>]*|mailto:([^\s<>]+))>")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:?")
_ADDRESS = r"\((?:<[^<>\n]*>|(?:[^()\s]|\([^()\s]*\))*)(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
_LINK = re.compile(rf"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\](?:{_ADDRESS}|\[[^\[\]\n]*\])")
#: What is left of a link where a sentence has ended within its text.
_HALF_LINK = re.compile(rf"\]{_ADDRESS}")
_FORMULA = re.compile(r"\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)", re.DOTALL)
_STARS = re.compile(r"(?<![\d\s])\*+|\*+(?![\d\s])")
_UNDERSCORES = re.compile(r"(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)")
_TILDES = re.compile(r"~~+")
_ESCAPE = re.compile(r"\\([^\w\s])")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
#: What an address is made of: Chinese goes on after one without a space.
_OF_URL = rf"[^\s<>\u2018-\u201d\u2026{_WIDE}]"
_OF_HOST = r"[^\s/?#<>()\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]"
_URL = re.compile(
    rf"(?<![A-Za-z0-9])https?://(?:www\.)?({_OF_HOST}+)(?:[/?#](?:{_OF_URL}*(?<![.,;:!?)\]]))?)?"
)
#: An address as a sentence is not to end in it, such as that of a link or a picture.
ADDRESS = re.compile(rf"(?:https?://|data:){_OF_URL}*")
_WIDE_BREAK = re.compile(rf"(?<=[{_WIDE}])\s*\n\s*(?=[{_WIDE}])")
_SPACE = re.compile(r"\s+")
#: Signs that are said, of those that are mostly pictures.
_SAID = frozenset("°℃℉№©®")
_CHINESE = {"zh", "ja"}
#: Of a table's header, what is said: nobody listens to a thousand names.
_MOST_COLUMNS, _MOST_CELL_CHARS = 12, 200


def spoken(raw: str, language: str = "en") -> str:
    """What is to be said of *raw*, a sentence of markdown; empty where there is nothing to say."""
    text = _COMMENT.sub(" ", raw)
    text = _FORMULA.sub(f" {formula(language)} ", text)
    text = _RULE.sub("", text)
    text = _BLOCK_MARK.sub("", text)
    text = _AUTOLINK.sub(lambda link: link[1] or link[2], text)
    text = _FOOTNOTE.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)  # a picture that is a link
    text = _HALF_LINK.sub("", text)
    text = _URL.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = text.replace("`", "")
    text = _UNDERSCORES.sub("", _TILDES.sub("", _STARS.sub("", text))).replace("_", " ")
    text = html.unescape(_ESCAPE.sub(r"\1", _COMMAND.sub(r"\1", text)))
    text = "".join(char for char in text if _is_said(char))
    text = _SPACE.sub(" ", _WIDE_BREAK.sub("", text)).strip()
    return text if any(char.isalnum() for char in text) else ""


def code(name: str, language: str) -> str:
    """What is said in the place of code in the programming language *name*, '' if nobody says."""
    name = spoken(name[:_MOST_CELL_CHARS])
    if language in _CHINESE:
        return f"这里有一段 {name} 代码。" if name else "这里有一段代码。"
    return f"Here is some {name} code." if name else "Here is some code."


def table(header: list[str], language: str) -> str:
    """What is said in the place of a table."""
    columns = [words for cell in header[:_MOST_COLUMNS] if (words := spoken(cell[:_MOST_CELL_CHARS]))]
    if language in _CHINESE:
        return f"这里有一个表格:{'、'.join(columns)}。" if columns else "这里有一个表格。"
    return f"Here is a table: {', '.join(columns)}." if columns else "Here is a table."


def formula(language: str) -> str:
    """What is said in the place of a formula."""
    return "公式" if language in _CHINESE else "formula"


def _is_said(char: str) -> bool:
    if char.isspace() or char in _SAID:
        return True
    return unicodedata.category(char) not in {"So", "Sk", "Cc", "Cf", "Co", "Cs", "Cn"}
