"""OpenAPI 3.1 of the API, made from the route table and the types of its bodies, and a page to read it."""

import html
import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.edge.state import STATE
from gateway.route import Route

_TITLES = {
    101: "A WebSocket",
    200: "OK",
    201: "Made",
    202: "Accepted, not finished",
    204: "Nothing to send",
    206: "A part of it",
    302: "Elsewhere",
    304: "Nothing has changed",
}
#: What any request may be answered: a page or name that may not call, a late body, one that is encoded.
_ANYWHERE = (403, 408, 415)
#: What whoever needs a key may be answered: a user that it may not name, a limit.
_ASKED = (400, 429)
_PARAMETER = re.compile(r"{(\w+)}")
_EVENT_STREAM = "text/event-stream"
_EVENT = {
    "description": "One event of the stream",
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The description as a JSON object."""
    kinds: set[type] = {route.error_shape.answer for route in routes}
    kinds |= {kind for route in routes for kind in (route.body, route.gives) if isinstance(kind, type)}
    described = sorted(kinds - {str}, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(described, ref_template=_REF)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    error = {"$ref": _REF.format(name=route.error_shape.answer.__name__)}
    failed = {
        "description": "An error; `code` says which",
        "content": {"application/json": {"schema": error}},
    }
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}_"
        + re.sub(r"\W+", "_", route.path).strip("_"),
        "summary": inspect.getdoc(route.handler),
        "responses": {str(status): _answer(route, status) for status in route.statuses}
        | {str(status): failed for status in (*route.errors, *_ANYWHERE, *(() if route.public else _ASKED))},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    parameters += [
        {"name": name, "in": where, "required": False, "schema": schema}
        for where, name, schema in route.parameters
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        reference = {"$ref": _REF.format(name=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    if not route.public:
        operation["security"] = [{"key": []}, {}]
    return operation


def _answer(route: Route, status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _TITLES[status]}
    if status in {101, 204, 304}:
        return answer
    if isinstance(route.gives, str):
        schema = _EVENT if route.gives == _EVENT_STREAM else {"type": "string"}
        answer["content"] = {route.gives: {"schema": schema}}
    else:
        reference = {"$ref": _REF.format(name=route.gives.__name__)}
        answer["content"] = {"application/json": {"schema": reference}}
    for media_type in route.also:
        answer["content"][media_type] = {"schema": {"type": "string"}}
    if route.streams:
        answer["content"][_EVENT_STREAM] = {"schema": _EVENT}
    return answer


async def describe(request: web.Request) -> web.StreamResponse:
    """This description."""
    body = msgspec.json.encode(request.app[STATE].openapi)
    return web.Response(body=body, content_type="application/json")


async def page(request: web.Request) -> web.StreamResponse:
    """This description, to be read."""
    described = request.app[STATE].openapi
    rows = [
        _section(path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = msgspec.json.format(msgspec.json.encode(described["components"]["schemas"])).decode()
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Headrace API</title>"
        "<meta name=viewport content='width=device-width'>"
        "<body><h1>Headrace API</h1><p>Machine-readable: <a href=openapi.json>openapi.json</a></p>"
        + "".join(rows)
        + f"<h2>Types</h2><pre>{html.escape(schemas)}</pre>"
    )
    headers = {"Content-Security-Policy": "default-src 'none'"}
    return web.Response(text=text, content_type="text/html", headers=headers)


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    lines = [
        f"<h2>{method.upper()} {html.escape(path)}</h2><p>{html.escape(operation['summary'] or '')}</p><ul>"
    ]
    lines += [
        f"<li><code>{html.escape(p['name'])}</code> ({p['in']})" for p in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        lines.append(f"<li>body: <code>{schema.rpartition('/')[2]}</code>")
    lines.append(f"<li>answers: {', '.join(operation['responses'])}</ul>")
    return "".join(lines)
