"""
What somebody or something is called, as others may be shown it: one line, in which nothing hides, reorders or
moves what stands beside it.

Left out are controls, halves of characters and what is not seen: zero-width characters, fillers, and marks
that turn the direction of a line (U+202E, U+2066 and their kin); Arabic and Hebrew names need none.
Joiners and variation selectors stay where a script or an emoji is written with them, so that no two names
look alike through them; marks are on a letter, and few. Names by which somebody is known to the service, such
as a user's, are refused.
"""

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d")
#: Format characters that are seen: Arabic and Syriac signs before numbers, Kaithi's.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
#: Of other categories, and not seen all the same: fillers and marks without a shape, an empty braille cell.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159")
#: Unicode has set these aside for what is never seen, or for no character at all.
_SET_ASIDE = re.compile(r"[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e0fff]")
_LINE_ENDS = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_EMOJI_STYLES = frozenset("\ufe0e\ufe0f")
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
#: A region's, such as Wales's: what it is of is written after a black flag, unseen.
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_FLAG_ENDS = "\U000e007f"
#: Marks on one letter: more run into the lines above and below (UTS 39, section 5.4).
_MOST_MARKS = 4
_VIRAMA = 9


def shown_name(name: str, most_chars: int) -> str:
    """*name* as others see it, words a space apart, cut to *most_chars*; empty where nothing is seen."""
    # What is left out may be long; what is read of it is bounded.
    line = " ".join(seen(name[: 8 * most_chars]).split())
    return seen(line[:most_chars]).strip()


def seen(text: str) -> str:
    """*text* as one line, without what is not seen."""
    if text.isascii() and text.isprintable():
        return text
    text = "".join(" " if char in _LINE_ENDS else char for char in text)
    kept: list[str] = []
    flags = {at for flag in _FLAG.finditer(text) for at in range(*flag.span())}
    for at, char in enumerate(text):
        if at in flags or _is_seen(char, kept) or _belongs(char, kept, text[at + 1 : at + 2]):
            kept.append(char)
    return "".join(kept)


def alike(name: str) -> str:
    """The same for all that look like *name*, as it is shown, but for their case and width."""
    drawn = "".join(char for char in name if char not in _JOINERS and not _selects(char))
    return unicodedata.normalize("NFKC", drawn).casefold()


def _is_seen(char: str, before: list[str]) -> bool:
    if char in _BLANK or _selects(char) or _SET_ASIDE.match(char) or ord(char) & 0xFFFE == 0xFFFE:
        return False
    if _marks(char):
        return not (_is_bare(before) or all(map(_marks, before[-_MOST_MARKS:])))
    return char in _SEEN or unicodedata.category(char) not in {"Cc", "Cf", "Cs"}


def _marks(char: str) -> bool:
    return unicodedata.category(char) in {"Mn", "Me"}


def _is_bare(before: list[str]) -> bool:
    return not before or before[-1].isspace()


def _selects(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _belongs(char: str, before: list[str], after: str) -> bool:
    """Whether *char*, which nobody sees by itself, is part of how its neighbours are written."""
    last = before[-1] if before else " "
    if _selects(char):
        return not (last.isspace() or _selects(last) or (last.isascii() and last.isalpha()))
    if char not in _JOINERS or not after:
        return char in _JOINERS and unicodedata.combining(last) == _VIRAMA
    if _VIRAMA in {unicodedata.combining(last), unicodedata.combining(after)}:
        return True
    if _is_arabic(after) and any(_is_arabic(each) for each in before[-3:]):
        return last not in _JOINERS
    return char == "\u200d" and _is_emoji(last, ends=True) and _is_emoji(after)


def _is_arabic(char: str) -> bool:
    return unicodedata.bidirectional(char) == "AL"


def _is_emoji(char: str, *, ends: bool = False) -> bool:
    if ends and (char in _EMOJI_STYLES or char in _SKIN_TONES or char == _FLAG_ENDS):
        return True
    return unicodedata.category(char) == "So" or char == "\u2194"
