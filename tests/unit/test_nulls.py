"""A field that is null says no more than one that is left out."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from gateway.edge.body import decode_body
from gateway.edge.nulls import without_nulls
from gateway.routes import ROUTES
from shared.errors import InvalidRequest

#: The least that each request must say.
LEAST: dict[str, dict[str, Any]] = {
    "ChatRequest": {"message": "Hello"},
    "ConversationChange": {"title": "Hello"},
    "CompletionRequest": {"messages": [{"role": "user", "content": "Hello"}]},
    "ResponseRequest": {"input": "Hello"},
    "UIChatRequest": {"id": "c1", "messages": [{"id": "m1", "role": "user", "parts": []}]},
    "UIStopRequest": {},
}

KINDS = {route.body for route in ROUTES if route.body is not None}


def fields_of(kind: type, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where every field of *kind* is, those of the structs in it included."""
    yield from _fields(msgspec.inspect.type_info(kind), path)


def _fields(info: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    match info:
        case msgspec.inspect.StructType():
            for field in info.fields:
                yield (*path, field.encode_name)
                yield from _fields(field.type, (*path, field.encode_name))
        case msgspec.inspect.UnionType():
            for each in info.types:
                yield from _fields(each, path)
        case msgspec.inspect.ListType():
            yield from _fields(info.item_type, (*path, 0))
        case msgspec.inspect.Metadata():
            yield from _fields(info.type, path)


def put(body: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Set what is at *path*; what must be around it is made."""
    for step, following in pairwise(path):
        made: Any = [{}] if isinstance(following, int) else {}
        if isinstance(step, str) and type(body.get(step)) is not type(made):
            body[step] = made  # where it may be a text or something with fields
        body = body[step]
    body[path[-1]] = value


def taken(kind: type, body: dict[str, Any]) -> Any:
    """*body* as *kind*, or the field that is refused."""
    try:
        return decode_body(msgspec.json.encode(body), kind)
    except InvalidRequest as refused:
        return refused.field


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param(kind, path, id=f"{kind.__name__}.{'.'.join(map(str, path))}")
        for kind in sorted(KINDS, key=lambda kind: kind.__name__)
        for path in (*fields_of(kind), ("of_no_meaning",))
    ],
)
def test_null_means_absent(kind: type, path: tuple[str | int, ...]) -> None:
    """Whichever field is null, known or not, the request is the one without it, or refused as that is."""
    null = deepcopy(LEAST.get(kind.__name__, {}))
    put(null, path, None)
    absent = deepcopy(null)
    parent: Any = absent
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    assert taken(kind, null) == taken(kind, absent)


def test_what_is_not_ours_keeps_its_nulls() -> None:
    """In what a request only carries, a null is content: a schema's, a message's, a tool's."""

    class Carrier(msgspec.Struct, forbid_unknown_fields=True):
        carried: dict[str, Any]
        known: int = 1

    schema = {"enum": ["a", None], "default": None}
    assert without_nulls({"carried": schema, "known": None}, Carrier) == {"carried": schema}
    assert decode_body(msgspec.json.encode({"carried": schema, "known": None}), Carrier).carried == schema
