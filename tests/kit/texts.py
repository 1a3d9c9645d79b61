"""Texts put together at random, each the same for its number: a thousand of them cost a test a second."""

import random
from collections.abc import Iterator, Sequence

#: One text of so many comes character by character too, which takes longest.
_EACH = 3


def texts(
    bits: Sequence[str], alphabet: str, ends: Sequence[str], count: int = 1000
) -> Iterator[tuple[str, list[list[int]]]]:
    """*count* texts of *bits* and of *alphabet*, joined by one of *ends*; and where to cut each."""
    for number in range(count):
        by = random.Random(number)
        parts = [
            by.choice(bits) if by.random() < 0.7 else "".join(by.choices(alphabet, k=by.randrange(12)))
            for _ in range(by.randrange(1, 13))
        ]
        text = by.choice(ends).join(parts)
        cuts = [sorted(by.choices(range(len(text) + 1), k=by.randrange(1, 20)))]
        if number % _EACH == 0:
            cuts.append(list(range(len(text))))
        yield text, cuts
