"""
Tools of OpenAI's Responses as chat's functions, which are all that model servers know.

Functions in a namespace go by both names joined. Tools that OpenAI runs itself, or that take free text,
do not exist here: they are left out, unless the request demands one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.edge.body import checked
from shared.errors import InvalidRequest

_Object = dict[str, Any]

_MODES = frozenset({"none", "auto", "required"})
_JOINT = "__"


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the client's own, as it is repeated: all that the schema of a response demands."""

    type: Literal["function"] = "function"
    name: str
    description: str | None = None
    parameters: _Object | None = None
    strict: bool | None = None


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Functions that belong together, such as those of one MCP server."""

    type: Literal["namespace"] = "namespace"
    name: str
    description: str = ""
    tools: list[_Object]


class Tools(NamedTuple):
    """What a request says of tools."""

    #: As chat writes both.
    functions: list[_Object]
    choice: str | _Object | None
    #: As a response repeats them.
    repeated: list[_Object]


def chat_tools(given: Sequence[_Object], choice: str | _Object | None) -> Tools:
    """
    The functions among the *given* tools, and which of them is to be called.

    `allowed_tools` is a hard limit: the model server is given no others. Raises `InvalidRequest` naming
    the tool that is demanded and not there.
    """
    functions: dict[str, FunctionTool] = {}
    repeated: list[_Object] = []
    left_out: list[str] = []
    for i, tool in enumerate(given):
        match tool.get("type"):
            case "function":
                function = checked(tool, FunctionTool, f"tools[{i}]")
                functions[function.name] = function
                repeated.append(msgspec.to_builtins(function))
            case "namespace":
                space = checked(tool, Namespace, f"tools[{i}]")
                repeated.append(_namespace(space, functions, left_out, f"tools[{i}]"))
            case str(kind):
                left_out.append(kind)
            case _:
                raise InvalidRequest(f"`tools[{i}]` has no type.", field=f"tools[{i}].type")
    allowed, mode = _chosen(choice)
    if allowed is not None:
        left_out += [tool["type"] for tool in allowed if tool["type"] != "function"]
        names = {
            joined(str(tool.get("name")), tool.get("namespace"))
            for tool in allowed
            if tool["type"] == "function"
        }
        functions = {name: function for name, function in functions.items() if name in names}
    if mode == "required" and left_out and not functions:
        raise _not_here(left_out[0])
    return Tools([_chat_function(name, each) for name, each in functions.items()], mode, repeated)


def joined(name: str, namespace: object) -> str:
    """What the model knows a function by."""
    return f"{namespace}{_JOINT}{name}" if isinstance(namespace, str) and namespace else name


def parted(name: str, repeated: Sequence[_Object]) -> _Object:
    """A call's name as its client knows it: with its namespace, where it is one of the *repeated* tools'."""
    for tool in repeated:
        if tool["type"] == "namespace" and name.startswith(tool["name"] + _JOINT):
            inner = name.removeprefix(tool["name"] + _JOINT)
            if any(each["name"] == inner for each in tool["tools"]):
                return {"name": inner, "namespace": tool["name"]}
    return {"name": name}


def _namespace(space: Namespace, functions: dict[str, FunctionTool], left_out: list[str], at: str) -> _Object:
    inner: list[_Object] = []
    for i, tool in enumerate(space.tools):
        if tool.get("type") != "function":
            left_out.append(str(tool.get("type")))
            continue
        function = checked(tool, FunctionTool, f"{at}.tools[{i}]")
        functions[joined(function.name, space.name)] = function
        inner.append(msgspec.to_builtins(function))
    return {**msgspec.to_builtins(space), "tools": inner}


def _chosen(choice: str | _Object | None) -> tuple[list[_Object] | None, str | _Object | None]:
    """Which tools are allowed, if not all, and the choice among them as chat writes it."""
    match choice:
        case None:
            return None, None
        case str(mode) if mode in _MODES:
            return None, mode
        case {"type": "allowed_tools", "tools": list(allowed), **rest}:
            if not all(isinstance(tool, dict) and isinstance(tool.get("type"), str) for tool in allowed):
                raise InvalidRequest("`tool_choice.tools` are not tools.", field="tool_choice")
            if (limit := str(rest.get("mode") or "auto")) not in {"auto", "required"}:
                raise InvalidRequest("`tool_choice.mode` must be auto or required.", field="tool_choice")
            return allowed, limit
        case {"type": "function", "name": str(name), **rest}:
            namespace = rest.get("namespace")
            return None, {"type": "function", "function": {"name": joined(name, namespace)}}
        case {"type": str(kind)} if kind not in {"function", "allowed_tools"}:
            raise _not_here(kind)
    raise InvalidRequest("`tool_choice` must be none, auto, required or a function.", field="tool_choice")


def _not_here(kind: str) -> InvalidRequest:
    return InvalidRequest(
        f"`tool_choice` demands a tool of type {kind[:100]!r}, which this server does not have.",
        field="tool_choice",
    )


def _chat_function(name: str, tool: FunctionTool) -> _Object:
    return {"type": "function", "function": dict(_facts(name, tool))}


def _facts(name: str, tool: FunctionTool) -> Iterator[tuple[str, Any]]:
    yield "name", name
    for fact in ("description", "parameters", "strict"):
        if (value := getattr(tool, fact)) is not None:
            yield fact, value
