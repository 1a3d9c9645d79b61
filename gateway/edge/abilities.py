"""What a model cannot do is refused before it is asked: its server would fail, or leave it out in silence."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.errors import InvalidRequest
from shared.generation import Request
from shared.models import Model
from shared.upstream import PARTS, Ability, needs_of, no_upstream

#: How a refusal puts what a model lacks.
_WORDS: Mapping[Ability | None, str] = {
    "pictures": "cannot see pictures",
    "sounds": "cannot hear",
    "files": "cannot read files",
}
_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def within(model: Model, name: str, asked: Request, field: str) -> Request:
    """
    *asked* as the model can be asked: tools that it may leave alone are left out.

    Raises `InvalidRequest` for what it cannot do; *field* is where the request has its messages.
    """
    for need in asked.needs:
        if need in model.cannot:
            raise _cannot(name, _WORDS[need], "message")
    for message in asked.messages if model.cannot else ():
        _check(model, name, message, field)
    if "tools" in model.cannot:
        if asked.parameters.get("tool_choice") not in (None, "auto", "none"):
            raise _cannot(name, "cannot call tools", "tool_choice")
        kept = {key: value for key, value in asked.parameters.items() if key not in _TOOLS}
        asked = msgspec.structs.replace(asked, parameters=kept)
    if len(model.upstreams) > 1:
        needs = needs_of(asked.messages, asked.parameters, model.accepts) | frozenset(asked.needs)
        if (why := no_upstream(name, model.places, needs)) is not None:
            raise InvalidRequest(why, field=field)
    return asked


def _check(model: Model, name: str, message: dict[str, Any], field: str) -> None:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        needed = PARTS.get(str(part.get("type")))
        if needed in model.cannot:
            raise _cannot(name, _WORDS[needed], field)
    if "tools" in model.cannot and (message.get("tool_calls") or message.get("role") in {"tool", "function"}):
        raise _cannot(name, "cannot call tools, nor read what they gave", field)


def _cannot(name: str, words: str, field: str) -> InvalidRequest:
    return InvalidRequest(f"The model {name!r} {words}.", field=field)
