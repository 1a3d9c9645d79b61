"""
Words as a voice can take them: each has room for so many letters of one, and leaves out the rest.

What is broken up here is what nobody says in one breath: numbers of many digits, letters, addresses, keys.
"""

import re

#: A longer number is read digit by digit.
_MOST_DIGITS = 15
#: Characters of what is written without a space. What a voice does with its parts takes the square of them.
_MOST_CHARS = 40

_NUMBER = re.compile(rf"\d(?:,?\d){{{_MOST_DIGITS},}}")
_LETTER = r"[A-Za-z\u00aa-\u04ff]"
#: Without the scripts that are written without spaces, of which voices find the words themselves.
_LONG = re.compile(rf"[!-~\u00a1-\u04ff]{{{_MOST_CHARS + 1},}}")
_PARTS = re.compile(rf".{{1,{_MOST_CHARS}}}(?<=[^\w])|.{{1,{_MOST_CHARS}}}")


def within_reach(words: str, most_letters: int) -> str:
    """*words*, with spaces in those that are too long; *most_letters* are what a voice takes of one."""
    words = _NUMBER.sub(lambda number: " ".join(number.group().replace(",", "")), words)
    words = re.sub(rf"{_LETTER}{{{most_letters}}}(?={_LETTER})", r"\g<0> ", words)
    return _LONG.sub(lambda long: " ".join(_PARTS.findall(long.group())), words)
