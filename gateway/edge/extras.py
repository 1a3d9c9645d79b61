"""
Parameters beyond OpenAI's: `top_k`, `min_p`, `chat_template_kwargs` and whatever else model servers take.

Clients write them beside the others, or into `extra_body`. Only those that the model's entry in
`models.toml` accepts are passed on; others are refused by name.
"""

from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from gateway.edge.body import decode_body, read_bytes
from gateway.edge.state import State
from shared.errors import InvalidRequest

_T = TypeVar("_T", bound=msgspec.Struct)
_FIELD = "extra_body"


async def read_with_extras(request: web.Request, kind: type[_T]) -> _T:
    """
    The JSON body as *kind*, which has an `extra_body`: all fields that *kind* does not know are there.

    Raises `InvalidRequest` naming the field, or what the body is not.
    """
    return decode_with_extras(await read_bytes(request), kind)


def decode_with_extras(raw: bytes, kind: type[_T]) -> _T:
    """*raw* as *kind*, likewise."""
    with suppress(InvalidRequest):
        body = decode_body(raw, kind)
        if getattr(body, _FIELD) is None:
            return body
    said = decode_body(raw, dict[str, Any])
    extra = said.pop(_FIELD, None) or {}
    if not isinstance(extra, dict):
        raise InvalidRequest(f"`{_FIELD}` must be an object.", field=_FIELD)
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    said = {**extra, **said}
    extras = {name: value for name, value in said.items() if name not in known and value is not None}
    said = {name: value for name, value in said.items() if name in known}
    return decode_body(msgspec.json.encode({**said, _FIELD: extras or None}), kind)


def extras_for(state: State, model: str, extras: dict[str, Any] | None) -> dict[str, Any]:
    """*extras* if *model* takes them all. Raises `InvalidRequest` naming one that it does not."""
    accepts = state.models.serving(model).accepts
    for name in extras or {}:
        if name not in accepts:
            raise InvalidRequest(
                f"`{name[:100]}` is not supported by this server's {model}.", field=name[:100]
            )
    return extras or {}
