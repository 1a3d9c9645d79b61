"""An upstream's tool calls, whichever way their pieces are told apart."""

from typing import Any

import msgspec
import pytest

from shared.events import ToolCall
from worker.backends import Delta
from worker.backends.completion import Completion

_TWO = [("a", "f", "{}"), ("b", "g", "[1]")]


def _calls(*pieces: list[dict[str, Any]]) -> list[tuple[str | None, str | None, str]]:
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": piece}}]} for piece in pieces]
    completion, deltas = Completion(), list[Delta]()
    completion.take([*map(msgspec.json.encode, chunks), b"[DONE]"], deltas)
    assert completion.finish(deltas).finish_reason == "tool_calls"
    made: dict[int, list[Any]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCall):
            call = made.setdefault(delta.index, [delta.id, delta.name, ""])
            assert delta.id is None or delta.id == call[0], "the id comes once"
            call[2] += delta.arguments
    return [(call_id, name, arguments) for call_id, name, arguments in made.values()]


def _piece(**fields: Any) -> dict[str, Any]:
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {**fields, "function": function}


@pytest.mark.parametrize(
    "pieces",
    [
        # One after the other, under one index.
        [[_piece(index=0, id=i, name=n, arguments=a)] for i, n, a in _TWO],
        # The same in pieces, whose later ones repeat an empty id and name, or the whole of both.
        [
            [_piece(index=0, id="a", name="f", arguments="{")],
            [_piece(index=0, id="", name="", arguments="}")],
            [_piece(index=0, id="b", name="g", arguments="[")],
            [_piece(index=0, id="b", name="g", arguments="1")],
            [_piece(index=0, id="b", name="g", arguments="]")],
        ],
        # Without any index, together and interleaved.
        [[_piece(id="a", name="f", arguments="{}"), _piece(id="b", name="g", arguments="[1]")]],
        [
            [_piece(id="a", name="f", arguments="{")],
            [_piece(id="b", name="g", arguments="[")],
            [_piece(id="a", arguments="}"), _piece(id="b", arguments="1]")],
        ],
        # Arguments as what they are.
        [[_piece(index=i, id="ab"[i], name="fg"[i], arguments=({}, [1])[i])] for i in (0, 1)],
        # The name comes late.
        [
            [{"index": 0, "id": "a"}, {"index": 1, "id": "b", "function": None}],
            [_piece(index=0, name="f", arguments="{}"), _piece(index=1, name="g", arguments="[1]")],
        ],
        # An index that is none on a later piece.
        [
            [_piece(index=0, id="a", name="f", arguments="{")],
            [_piece(index="0", arguments="}")],
            [_piece(index=1, id="b", name="g", arguments="[1]")],
        ],
    ],
)  # fmt: skip
def test_two_calls_are_two(pieces: list[list[dict[str, Any]]]) -> None:
    """However they are told apart."""
    assert _calls(*pieces) == _TWO


def test_calls_without_ids_get_some() -> None:
    """Two of the same function too; and no two calls share an id."""
    whole = _piece(index=0, id="", name="f", arguments="{}")
    for pieces in (
        [[whole], [whole]],
        [[_piece(name="f", arguments="{}"), _piece(name="f", arguments="{}")]],
    ):
        calls = _calls(*pieces)
        assert [call[1:] for call in calls] == [("f", "{}"), ("f", "{}")]
        assert len({call[0] for call in calls} - {None, ""}) == 2
    same = [[_piece(index=i, id="x", name="f", arguments="{}") for i in range(2)]]
    assert len({call[0] for call in _calls(*same)}) == 2
