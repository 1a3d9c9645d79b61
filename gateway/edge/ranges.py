"""
Which bytes of its answer a request asks for: `Range` and `If-Range`, RFC 9110, sections 13.1.5 and 14.

Only GET has ranges. What is no range of bytes, or is of another version of the answer, is passed over: then
the answer is the whole. So it is where several are asked for that are there: nothing here sends parts.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from shared.errors import RangeNotSatisfiable

#: The last byte of what has no end yet: https://www.rfc-editor.org/rfc/rfc8673
NO_END = 2**53 - 1
_BYTES = re.compile(r"bytes=(.*)", re.ASCII | re.IGNORECASE)
_SPEC = re.compile(r"(\d{1,4000})-(\d{0,4000})|-(\d{1,4000})", re.ASCII)


class Span(NamedTuple):
    """From which byte to which, both included; to the end, whatever that will be, without a last."""

    first: int
    last: int | None = None

    def of(self, size: int | None) -> str:
        """The `Content-Range` of these bytes of *size*, where that is known."""
        last = NO_END if self.last is None else self.last
        return f"bytes {self.first}-{last}/{'*' if size is None else size}"

    def cut(self, data: bytes, at: int = 0) -> bytes:
        """What it has of *data*, the first byte of which is number *at*."""
        end = None if self.last is None else max(0, self.last + 1 - at)
        return data[max(0, self.first - at) : end]


class _Suffix(NamedTuple):
    """The last bytes, so many."""

    length: int


class Asked(NamedTuple):
    """The ranges of a request."""

    specs: Sequence[Span | _Suffix]

    @property
    def known_up_to(self) -> int:
        """How much of an answer that is being made has to be there to tell what can be had of it."""
        match self.specs:
            case [Span(first, last)]:
                return first if last is None else last + 1
        return 0

    def within(self, size: int) -> Span | None:
        """
        What there is of it in *size* bytes, None for all of them. Raises `RangeNotSatisfiable` where that is
        nothing.
        """
        found = [span for spec in self.specs if (span := _within(spec, size)) is not None]
        if not found:
            raise RangeNotSatisfiable("This range is beyond the end.", field="Range", size=size)
        return found[0] if len(found) == 1 else None

    def so_far(self, top: int, *, grows: bool) -> Span | None:
        """The same of an answer of unknown size: *top* bytes of it are there, and more if it *grows*."""
        match self.specs:
            case [Span(first, last)]:
                if first > top or (first == top and first and not (grows and last is None)):
                    raise RangeNotSatisfiable(field="Range", detail={"bytes": str(top)})
                if last is None:
                    return Span(first)
                # What is promised must be there: who wants the rest asks for it.
                return Span(first, min(last, top - 1)) if first < top else None
        return None


def asked_of(request: web.Request, etag: str) -> Asked | None:
    """What *request* asks for of the answer with that strong *etag*; None for all of it."""
    said = request.headers.getall("Range", ())
    if request.method != "GET" or len(said) != 1 or request.headers.get("If-Range", etag) != etag:
        return None
    unit = _BYTES.fullmatch(said[0].strip())
    found = [_SPEC.fullmatch(each) for spec in unit[1].split(",") if (each := spec.strip())] if unit else []
    specs = [None if spec is None else _spec(*spec.groups()) for spec in found]
    # One that is nothing makes nothing of the others.
    known = [spec for spec in specs if spec is not None]
    return Asked(known) if known and len(known) == len(specs) else None


def _spec(first: str | None, last: str | None, suffix: str | None) -> Span | _Suffix | None:
    if first is None:
        return _Suffix(int(suffix or 0))
    span = Span(int(first), int(last) if last else None)
    return None if span.last is not None and span.last < span.first else span


def _within(spec: Span | _Suffix, size: int) -> Span | None:
    if isinstance(spec, _Suffix):
        spec = Span(max(0, size - spec.length) if spec.length else size)
    last = size - 1 if spec.last is None else min(spec.last, size - 1)
    return Span(spec.first, last) if spec.first < size else None
