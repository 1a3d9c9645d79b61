"""
Text of strangers as a terminal may show it: nothing in it moves the cursor, rings, reorders or hides.

Left out are controls, escapes, and format characters such as U+202E; languages that are written from the
right, joiners and emoji stay what they are.
"""

import unicodedata

_KEPT = frozenset("\n\t\u200c\u200d")
#: Format characters that are seen: Arabic and Syriac signs before numbers, Kaithi's.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_FLAG = "\U0001f3f4"
_TAGS = frozenset(map(chr, range(0xE0020, 0xE0080)))


class _Table(dict[int, str | None]):
    """What `str.translate` puts in a character's place, found out when it is first met."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        kind = unicodedata.category(char)
        shown: str | None = char
        if kind in {"Zl", "Zp"}:
            shown = "\n"
        elif kind == "Cs":
            # No stream can encode half of a pair.
            shown = "\ufffd"
        elif kind in {"Cc", "Cf"} and char not in _KEPT and char not in _SEEN:
            shown = None
        self[code] = shown
        return shown


_TABLE = _Table()


class Harmless:
    """One text, piece by piece."""

    def __init__(self) -> None:
        #: Whether the last of it was a flag, or the tags that say which.
        self._in_flag = False

    def clean(self, piece: str) -> str:
        """What may be shown of *piece*."""
        if not self._in_flag and _FLAG not in piece:
            return piece.translate(_TABLE)
        shown = []
        for char in piece:
            if self._in_flag and char in _TAGS:
                shown.append(char)
            else:
                self._in_flag = char == _FLAG
                shown.append(char.translate(_TABLE))
        return "".join(shown)
