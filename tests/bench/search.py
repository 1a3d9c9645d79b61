"""The search for the largest number of streams that a system carries."""

_FIRST = 100
#: Beyond this the load client is what is measured.
_MOST = 6400
#: The search ends once it is this close, as a share of what it has found.
_CLOSE = 0.1


class Search:
    """Doubles what is tried until it fails, then halves the gap. A failure may be chance: it is repeated."""

    def __init__(self, first: int = _FIRST, most: int = _MOST) -> None:
        #: The largest that was carried.
        self.carried = 0
        #: What to try next; None at the end.
        self.next: int | None = first
        self._most = most
        self._failed: int | None = None
        self._again = True

    def tell(self, carried: bool) -> None:
        """Whether `next` was carried."""
        assert self.next is not None
        if not carried and self._again:
            self._again = False
            return
        self._again = True
        if carried:
            self.carried = self.next
        else:
            self._failed = self.next
        if self._failed is None:
            self.next = self.carried * 2 if self.carried * 2 <= self._most else None
        elif self._failed - self.carried <= max(1, _CLOSE * self._failed):
            self.next = None
        else:
            self.next = (self.carried + self._failed) // 2
