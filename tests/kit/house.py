"""
The house's rules of who may import whom, as functions over a tree: each gives what breaks it, a line each.

A room is a folder or a single module; what it may import of ours is listed here, and nothing else.
"""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

HOUSES = ("deploy", "gateway", "shared", "worker")
#: The client's own name, in a checkout as in the wheel.
CLIENT, CLIENT_ROOM = "headrace", "deploy/client"

_TOP = {"gateway", "gateway/route.py", "gateway/edge", "gateway/relay", "shared"}
_BELOW_ROUTES = {"gateway/edge", "gateway/relay", "gateway/route.py", "shared"}
#: What a room may import beside itself. Every folder in gateway/dialects is a room.
ROOMS: dict[str, set[str]] = {
    "shared": set(),
    "worker": {"shared"},
    "gateway/relay": {"shared"},
    "gateway/edge": {"gateway/relay", "shared"},
    "gateway/dialects": _BELOW_ROUTES,
    "gateway/askers": _BELOW_ROUTES,
    "gateway/rooms": _BELOW_ROUTES,
    "gateway/speech": _BELOW_ROUTES,
    "gateway": _TOP | {"gateway/routes.py"},
    "gateway/route.py": {"gateway/edge", "shared"},
    "gateway/routes.py": _TOP | {"gateway/dialects", "gateway/askers", "gateway/rooms", "gateway/speech"},
    "deploy": {"shared"},
    "deploy/client": set(),
    "deploy/up": {"deploy", "shared"},
    "deploy/page": {"deploy/up", "deploy"},
    "deploy/grafana": set(),
    "deploy/release": {"deploy", "deploy/page", "deploy/model", "shared"},
    "deploy/model": {"deploy/up", "deploy", "shared"},
    "deploy/top": set(),
    "deploy/doctor": {"deploy/up", "deploy", "shared"},
    "deploy/keys": {"deploy/up", "deploy", "shared"},
    "deploy/operate.py": {"deploy/top", "deploy/doctor", "deploy/up"},
    "deploy/cli.py": {
        *("deploy", "deploy/operate.py", "deploy/client", "deploy/up", "deploy/page", "deploy/model"),
        *("deploy/keys", "shared"),
    },
    "deploy/__main__.py": {"deploy/cli.py"},
}
#: Whose privates only these modules touch.
_GUARDED = {"redis", "aiohttp"}
_PRIVATE = {
    "shared/redis_private.py",
    "gateway/edge/aiohttp_private.py",
    "worker/backends/aiohttp_private.py",
}

_WEB = "gateway/web"
_WEB_SUFFIXES = (".ts", ".tsx", ".js", ".mjs")
_COMMENT = re.compile(r"^\s*//.*?$|^\s*/\*.*?\*/", re.MULTILINE | re.DOTALL)
_WEB_IMPORT = re.compile(
    r"""^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]"""
    r"""|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]""",
    re.MULTILINE,
)


def modules(root: Path, house: str) -> Iterator[Path]:
    """Every Python module of ours in *house*."""
    yield from _files(root / house, (".py",))


def web_modules(root: Path) -> Iterator[Path]:
    """Every module of `gateway/web`."""
    yield from _files(root / _WEB, _WEB_SUFFIXES)


def imported(module: Path) -> set[str]:
    """The top-level names that *module* imports, wherever in it."""
    return {name.partition(".")[0] for name, level in _read(module.read_text()).imports if not level}


def docstring(module: Path) -> str:
    """What *module* says of itself."""
    return _read(module.read_text()).docstring


def wrong_arrows(root: Path, only: Path | None = None) -> list[str]:
    """Imports that the house does not allow; *only* those of one module, where that is given."""
    wrong = []
    for module in [only] if only else _all_modules(root):
        names = _read(module.read_text()).imports
        here = module.relative_to(root).as_posix()
        room = _room(here)
        allowed = ROOMS[_listed(room)] | {room}
        for name, level in names:
            if level and room != CLIENT_ROOM:
                wrong.append(f"{here} has a relative import")
            if name.startswith("deploy.client"):
                wrong.append(f"{here} imports {name}, whose name is {CLIENT}")
            if name.partition(".")[0] == "tests":
                wrong.append(f"{here} imports {name}")
            target = _target(root, module, name, level)
            if target is not None and not {_room(target), _listed(_room(target))} & allowed:
                wrong.append(f"{here} imports {target}")
    return sorted({*wrong})


def circles(root: Path) -> list[str]:
    """Python modules that import each other, wherever in them and if for their types alone."""
    graph = {}
    for module in _all_modules(root):
        targets = {_target(root, module, *named) for named in _read(module.read_text()).imports}
        graph[module.relative_to(root).as_posix()] = {t for t in targets if t and t.endswith(".py")}
    return _circles(graph)


def web_circles(root: Path) -> list[str]:
    """Modules of `gateway/web` that import each other, if for their types alone."""
    graph = {}
    for module in web_modules(root):
        names = _web_imports(module.read_text())
        targets = {_web_target(module.parent, name) for name in names}
        graph[module.relative_to(root).as_posix()] = {t.relative_to(root).as_posix() for t in targets if t}
    return _circles(graph)


def foreign_privates(root: Path, only: Path | None = None) -> list[str]:
    """Privates of redis-py or aiohttp that are named outside the modules that may; *only* as above."""
    wrong = []
    for module in [only] if only else _all_modules(root):
        here = module.relative_to(root).as_posix()
        if here not in _PRIVATE:
            found = _read(module.read_text()).privates
            wrong += [f"{here}:{line} names {what}" for line, what in sorted(found)]
    return wrong


class _Module(NamedTuple):
    """What the rules look at: names that it imports, each with its level, and privates of others by line."""

    docstring: str
    imports: frozenset[tuple[str, int]]
    privates: frozenset[tuple[int, str]]


@cache
def _read(text: str) -> _Module:
    tree = ast.parse(text)
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return _Module(
        ast.get_docstring(tree) or "",
        frozenset(name for node in imports for name in _names(node)),
        frozenset(_foreign(tree)),
    )


def _foreign(tree: ast.Module) -> Iterator[tuple[int, str]]:
    own = _own_privates(tree)
    guarded = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _GUARDED
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                for name, _ in _names(node):
                    if name.partition(".")[0] in _GUARDED and any(map(_is_private, name.split("."))):
                        yield node.lineno, name
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute() if _is_private(node.attr) and node.attr not in own:
                yield node.lineno, ast.unparse(node)
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=str(x)), *_]
            ):
                if _is_private(x) and x not in own:
                    yield node.lineno, ast.unparse(node)
            case ast.ClassDef() if any(_root_name(base) in guarded | _GUARDED for base in node.bases):
                # What a class of ours inherits is theirs all the same.
                ours = _own_privates(node)
                for inner in ast.walk(node):
                    if (
                        isinstance(inner, ast.Attribute)
                        and _is_private(inner.attr)
                        and inner.attr not in ours
                    ):
                        yield inner.lineno, ast.unparse(inner)


def _own_privates(tree: ast.AST) -> set[str]:
    """Private names that are defined in *tree*: functions, classes, attributes that it sets on itself."""
    own = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                own.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                own.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Name(id=name, ctx=ast.Store()):
                own.add(name)
    return own


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _all_modules(root: Path) -> Iterator[Path]:
    for house in HOUSES:
        yield from modules(root, house)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Those below *folder* that are ours, sorted."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = {*folders} - {"node_modules", "dist"}
        found += [Path(here, file) for file in files if file.endswith(suffixes)]
    return sorted(found)


@cache
def _web_imports(text: str) -> frozenset[str]:
    found = _WEB_IMPORT.findall(_COMMENT.sub("", text))
    return frozenset(name for groups in found for name in groups if name.startswith("."))


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, int]]:
    """Each name with its level: how many folders up a relative one begins, less one."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.name, 0
        else:
            yield f"{node.module}.{alias.name}" if node.module else alias.name, node.level


def _target(root: Path, module: Path, name: str, level: int) -> str | None:
    """The path of what *name* means, if that is ours: a module's, else the one it would have."""
    return _path(root, module.parents[level - 1] if level else None, name)


@cache  # Nobody moves modules while the rules are looked at.
def _path(root: Path, start: Path | None, name: str) -> str | None:
    top, _, rest = name.partition(".")
    if start is None and top == CLIENT:
        start, name = root / CLIENT_ROOM, rest
    elif start is None and top in HOUSES:
        start = root
    if start is None:
        return None
    parts = name.split(".") if name else []
    for count in range(len(parts), 0, -1):
        path = start.joinpath(*parts[:count])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py").relative_to(root).as_posix()
        if count == 1 < len(parts) and start == root:
            # A room, or a module, that is not there yet.
            return "/".join(parts)
        if path.is_dir():
            package = path / "__init__.py"
            return (package if package.is_file() else path).relative_to(root).as_posix()
    package = start / "__init__.py"
    return (package if package.is_file() else start.joinpath(*parts)).relative_to(root).as_posix()


def _room(path: str) -> str:
    """The room that *path* lies in."""
    parts = path.split("/")
    if parts[:2] == ["gateway", "dialects"] and len(parts) > 2:
        return "/".join(parts[:3])
    for count in range(len(parts), 0, -1):
        if (prefix := "/".join(parts[:count])) in ROOMS:
            return prefix
    return parts[0]


def _listed(room: str) -> str:
    return "gateway/dialects" if room.startswith("gateway/dialects/") else room


@cache  # likewise
def _web_target(folder: Path, name: str) -> Path | None:
    path = Path(os.path.normpath(folder / name))
    stem = path.with_suffix("") if path.suffix in {".js", ".mjs"} else path
    candidates = [path, *(Path(f"{stem}{suffix}") for suffix in _WEB_SUFFIXES), *path.glob("index.ts*")]
    return next((c for c in candidates if c.is_file() and c.suffix in _WEB_SUFFIXES), None)


def _circles(graph: dict[str, set[str]]) -> list[str]:
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]
            found.append(" <- ".join(circle))
            # One import less, and the next circle can be seen.
            graph[circle[1]] = graph[circle[1]] - {circle[0]}
        else:
            return found
