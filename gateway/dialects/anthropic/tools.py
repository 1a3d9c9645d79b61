"""
Anthropic's tools as chat's functions, which are all that model servers know.

Tools that Anthropic runs itself, or whose schema only its models know, do not exist here: a request with
one is refused, as a model that was not told of it could only pretend.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.edge.body import checked
from shared.errors import InvalidRequest

_Object = dict[str, Any]
_MODES = {"auto": "auto", "any": "required", "none": "none"}


class _Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of the client's own; hints on caching and loading change nothing here."""

    name: Annotated[str, Meta(min_length=1)]
    input_schema: _Object
    description: str | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`tool_choice`"""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


def parameters(tools: Sequence[_Object] | None, choice: ToolChoice | None) -> _Object:
    """What chat says of tools. Raises `InvalidRequest` naming what is not here."""
    functions = [_function(tool, f"tools[{i}]") for i, tool in enumerate(tools or ())]
    names = {function["function"]["name"] for function in functions}
    if choice is not None and choice.type == "tool" and choice.name not in names:
        raise InvalidRequest(
            f"`tool_choice` names {str(choice.name)[:100]!r}, which is no tool of this request.",
            field="tool_choice.name",
        )
    if choice is not None and choice.type == "any" and not functions:
        raise InvalidRequest("`tool_choice` demands a tool, and there is none.", field="tool_choice")
    if not functions:
        # Servers refuse a choice among no tools.
        return {}
    said: _Object = {"tools": functions}
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.name}}
        said["tool_choice"] = named if choice.type == "tool" else _MODES[choice.type]
        if choice.disable_parallel_tool_use:
            said["parallel_tool_calls"] = False
    return said


def _function(tool: _Object, at: str) -> _Object:
    if (kind := tool.get("type")) not in (None, "custom"):
        raise InvalidRequest(
            f"Tools of type {str(kind)[:100]!r} are not to be had here: give a name and an `input_schema`.",
            field=f"{at}.type",
        )
    known = checked(tool, _Tool, at)
    function: _Object = {"name": known.name}
    if known.description is not None:
        function["description"] = known.description
    function["parameters"] = known.input_schema
    if known.strict is not None:
        function["strict"] = known.strict
    return {"type": "function", "function": function}
