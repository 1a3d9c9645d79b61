"""Whole numbers on a command line: a fraction is refused, not rounded to what nobody has asked for."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter, Token


def whole(_: object, tokens: Sequence[Token]) -> int:
    """The number that is written there. Raises `ValueError`."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number such as 8 or 10000") from None


Whole = Annotated[int, Parameter(converter=whole)]
