"""
JSON null in a request means that the field is absent, whatever the field's type.

What a request only carries for a model (messages, schemas, metadata of the client's own) keeps its nulls.
"""

from functools import cache
from typing import Any

from msgspec import inspect


def without_nulls(value: Any, kind: type) -> Any:
    """*value* without the nulls of *kind*'s own fields, and of those of the structs in it."""
    return _without(value, _info(kind))


@cache
def _info(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _without(value: Any, info: inspect.Type) -> Any:
    match info:
        case inspect.Metadata():
            return _without(value, info.type)
        case inspect.StructType() if isinstance(value, dict):
            types = {field.encode_name: field.type for field in info.fields}
            return {
                name: _without(each, types[name]) if name in types else each
                for name, each in value.items()
                if each is not None
            }
        case inspect.ListType() if isinstance(value, list):
            return [_without(each, info.item_type) for each in value]
        case inspect.DictType() if isinstance(value, dict) and not isinstance(
            info.value_type, inspect.AnyType
        ):
            return {name: _without(each, info.value_type) for name, each in value.items() if each is not None}
        case inspect.UnionType():
            for each in info.types:
                value = _without(value, each)
    return value
