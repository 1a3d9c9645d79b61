"""Pages of items, as OpenAI's clients turn them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from shared.errors import InvalidRequest

_MOST_ITEMS = 100


class AnyItem(msgspec.Struct, frozen=True):
    """One item; what else it has is its type's."""

    id: str
    type: str


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


def page_of(query: Mapping[str, str], items: Sequence[dict[str, Any]]) -> ItemList:
    """Of *items*, oldest first, what `limit`, `order` and `after` ask for. Raises `InvalidRequest`."""
    limit, order = query.get("limit", "20"), query.get("order", "desc")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= _MOST_ITEMS:
        raise InvalidRequest(f"`limit` must be a number from 1 to {_MOST_ITEMS}.", field="limit")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("`order` must be asc or desc.", field="order")
    listed = list(items) if order == "asc" else list(reversed(items))
    if (after := query.get("after")) is not None:
        ids = [item["id"] for item in listed]
        if after not in ids:
            raise InvalidRequest("`after` is no item of these.", field="after")
        listed = listed[ids.index(after) + 1 :]
    page = listed[: int(limit)]
    return ItemList(
        data=page,
        first_id=page[0]["id"] if page else None,
        last_id=page[-1]["id"] if page else None,
        has_more=len(listed) > len(page),
    )
