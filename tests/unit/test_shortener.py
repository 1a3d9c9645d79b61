"""What is too large of an upstream is read past: strings are left out, pictures within a bound kept."""

import json

import pytest

from shared.failures import UpstreamInvalid
from worker.backends.shortener import SHORTENED, Shortened, Shortener

_MOST = 400


def shortened(value: bytes, piece: int, most_picture_bytes: int = 0) -> Shortened:
    """What is left of *value*, which comes in pieces of that size."""
    shortener = Shortener(_MOST, most_picture_bytes)
    for at in range(0, len(value), piece):
        shortener.feed(value[at : at + piece])
    return shortener.value()


def test_however_it_is_cut() -> None:
    """Also between a backslash and what it escapes: a string ends where it does."""
    said = {"a": 'x"y\\', "long": '"\\' * 300, "b": [1, "z"]}
    for piece in (1, 2, 3, 7, 1_000):
        left = json.loads(shortened(json.dumps(said).encode(), piece))
        assert left == {**said, "long": SHORTENED}, piece


def test_pictures_share_a_bound() -> None:
    """One that is too large has no bytes, and takes none from the next."""
    large, small = ("data:image/png;base64," + "A" * size for size in (900, 500))
    for piece in (1, 100, 10_000):
        left = shortened(json.dumps([large, small, small]).encode(), piece, 800)
        assert [left.pictures.get(name) for name in json.loads(left)] == [None, small, None], piece


def test_what_strings_do_not_make_large() -> None:
    """It is refused as soon as it is too large: its end may never come."""
    with pytest.raises(UpstreamInvalid):
        shortened(b"[" + b"1," * _MOST, 10)
