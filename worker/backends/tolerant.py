"""
Reading JSON that is not quite right, and only what is needed of it.

Lone surrogates, control characters and numbers that are none pass; what is no UTF-8 is told from what is.
"""

import json
import math
from typing import Any


class NotJson(ValueError):
    """This is no JSON at all."""


def load(raw: bytes) -> Any:
    """
    *raw* as Python has it. Lone surrogates stay in its strings; a byte that is no UTF-8 becomes U+FFFD.

    Raises `NotJson`.
    """
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"), strict=False, parse_int=_int)
    except (ValueError, RecursionError) as error:
        raise NotJson from error


def _int(digits: str) -> int | float:
    # Python refuses to read very long ones; nobody counts so far.
    return int(digits) if len(digits) < 100 else math.inf


def is_utf8(raw: bytes) -> bool:
    """Whether *raw* is what it says."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def count(value: Any) -> int | None:
    """A number of tokens: a whole number, not below 0, however it is written; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Beyond this a float cannot count, and nobody's prompt goes.
    if not 0 <= value < 2**53 or value != int(value):
        return None
    return int(value)


def whole_characters(text: str) -> str:
    """*text* with its surrogates joined, and those that are alone as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Joiner:
    """The pieces of one text, which may have been cut in the middle of a character."""

    def __init__(self) -> None:
        self.pending = ""

    def join(self, piece: str) -> str:
        """*piece* with what the last one held back; half a character at its end waits for the other."""
        text, self.pending = self.pending + piece, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self.pending = text[:-1], text[-1]
        return whole_characters(text)

    def rest(self) -> str:
        """What never came to be a character."""
        rest, self.pending = self.pending, ""
        return whole_characters(rest)
