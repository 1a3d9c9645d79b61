"""Reasoning that a model writes into its answer's head, between two tags."""

from collections.abc import Iterator

from shared.events import Reasoning, Text


class ThinkTags:
    """
    Parts text, cut anywhere, into reasoning and answer.

    Only what stands before anything else is reasoning. The tags and the white space around them are dropped.
    """

    def __init__(self, opening: str = "<think>", closing: str = "</think>") -> None:
        self._open, self._close = opening, closing
        self._held = ""
        self._inside = False
        #: The tags, if there were any, are over: what follows is text.
        self.over = False
        self._trim = False

    def feed(self, text: str, ts: int) -> Iterator[Text | Reasoning]:
        """*text* as what it is; what may be the beginning of a tag is held back."""
        if not self.over and not self._inside:
            text = self._held + text
            self._held = ""
            head = text.lstrip()
            if not head.startswith(self._open):
                if self._open.startswith(head):
                    self._held = text
                    return
                self.over = True
            else:
                self._inside = self._trim = True
                text = head[len(self._open) :]
        if self._inside:
            text = self._held + text
            self._held = ""
            thought, closed, text = text.partition(self._close)
            yield from self._reason(thought, ts, closed=bool(closed))
            if not closed:
                return
            self._inside, self.over, self._trim = False, True, True
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        if text:
            yield Text(ts, text)

    def finish(self, ts: int) -> Iterator[Text | Reasoning]:
        """What was held back."""
        held, self._held = self._held, ""
        if self._inside and held.strip():
            yield Reasoning(ts, held)
        elif not self._inside and held:
            yield Text(ts, held)

    @property
    def plain(self) -> bool:
        """Whether text needs no looking at any more."""
        return self.over and not self._trim

    def _reason(self, thought: str, ts: int, *, closed: bool) -> Iterator[Reasoning]:
        if self._trim:
            thought = thought.lstrip()
            self._trim = not thought
        if closed:
            thought = thought.rstrip()
        else:
            keep = len(thought.rstrip()) if thought else 0
            for size in range(min(len(self._close) - 1, len(thought)), 0, -1):
                if thought.endswith(self._close[:size]):
                    keep = len(thought[: len(thought) - size].rstrip())
                    break
            thought, self._held = thought[:keep], thought[keep:]
        if thought:
            yield Reasoning(ts, thought)
