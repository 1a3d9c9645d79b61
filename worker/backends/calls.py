"""
The tool calls of one answer, whichever way their pieces are told apart.

What comes out is regular: every call has an index of its own, an id that no other has, and both id and name
come with its first piece, once.
"""

import uuid
from collections.abc import Iterator

import msgspec

from shared.events import ToolCall
from worker.backends.tolerant import Joiner


class Piece(msgspec.Struct):
    """A piece of a call, as the upstream gave it; a field it did not give, or gave empty, is None."""

    index: int | None = None
    id: str | None = None
    name: str | None = None
    arguments: str | None = None


class _Call:
    """One call under way."""

    def __init__(self, index: int, piece: Piece) -> None:
        self.index = index
        self.given_index = piece.index
        self.given_id = piece.id
        #: The name once it is known; until then nothing of the call is given out.
        self.name = ""
        self.told = False
        self.arguments = ""
        #: Of the arguments, what is not given out yet.
        self.held = ""
        self.joiner = Joiner()

    @property
    def whole(self) -> bool:
        """Whether its arguments are all there."""
        try:
            msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def add(self, piece: str) -> str:
        """Take more of the arguments; gives what may be given out."""
        piece = self.joiner.join(piece)
        if self._is_empty and piece.lstrip().startswith("{"):
            # An empty object that only stood for arguments to come, as proxies of Anthropic's send it.
            self.arguments = self.held = ""
        self.arguments += piece
        self.held += piece
        return "" if self._is_empty else self.out()

    @property
    def _is_empty(self) -> bool:
        return self.held == self.arguments and self.held.strip() == "{}"

    def out(self) -> str:
        """What was held back."""
        held, self.held = self.held, ""
        return held


class Calls:
    """`take` every piece in order, `finish` at the end."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def whole(self) -> bool:
        """Whether no call lacks any of its arguments."""
        return all(call.whole for call in self._calls)

    def take(self, piece: Piece, ts: int, *, further: bool) -> Iterator[ToolCall]:
        """What *piece* comes to. It is a *further* one where another of the same chunk came before it."""
        if not (piece.id or piece.name or piece.arguments):
            return
        call = self._call_of(piece, further=further)
        if call is None:
            call = _Call(len(self._calls), piece)
            self._calls.append(call)
        elif piece.id and _needs_nothing(call, piece):
            return  # said again as a whole
        call.given_id = call.given_id or piece.id
        call.name = call.name or piece.name or ""
        arguments = call.add(piece.arguments or "")
        if call.told:
            if arguments:
                yield ToolCall(ts, call.index, arguments=arguments)
        elif call.name:
            yield self._first(call, arguments, ts)
        else:
            call.held = call.arguments

    def finish(self, ts: int) -> Iterator[ToolCall]:
        """What was held back."""
        for call in self._calls:
            rest = call.joiner.rest()
            call.arguments += rest
            rest = call.out() + rest
            if not call.told:
                yield self._first(call, rest, ts)
            elif rest:
                yield ToolCall(ts, call.index, arguments=rest)

    def _first(self, call: _Call, arguments: str, ts: int) -> ToolCall:
        call.told = True
        return ToolCall(ts, call.index, self._unique(call.given_id), call.name, arguments)

    def _call_of(self, piece: Piece, *, further: bool) -> _Call | None:
        """The call that *piece* goes on with; None where it begins one."""
        same_index = [call for call in self._calls if call.given_index == piece.index]
        if piece.id:
            among = same_index if piece.index is not None else self._calls
            named = [call for call in among if call.given_id == piece.id]
            if named and _needs_nothing(named[-1], piece) and piece.arguments != named[-1].arguments:
                return None
            if named or not same_index or same_index[-1].given_id:
                return named[-1] if named else None
            return None if _begins(same_index[-1], piece) else same_index[-1]
        # Arguments alone go on with some call, wherever their index points.
        candidates = same_index or (self._calls if piece.index is None or not piece.name else [])
        if not candidates or (further and piece.index is None and piece.name):
            return None
        return None if _begins(candidates[-1], piece) else candidates[-1]

    def _unique(self, given: str | None) -> str:
        call_id = given or f"call_{uuid.uuid4().hex[:24]}"
        if call_id in self._ids:
            call_id = f"{call_id}_{len(self._ids)}"
        self._ids.add(call_id)
        return call_id


def _begins(call: _Call, piece: Piece) -> bool:
    """Whether *piece* is a call of its own although nothing but its name says so: *call* has all it needs."""
    if not (piece.name and call.name):
        return False
    if piece.name != call.name and not piece.id:
        return True
    return _needs_nothing(call, piece)


def _needs_nothing(call: _Call, piece: Piece) -> bool:
    """Whether *piece* has a name and arguments, and those of *call* are all there."""
    return bool(piece.name and piece.arguments and call.arguments) and call.whole
