"""
`python -m deploy.settings_page` writes deploy/SETTINGS.md: every setting, and what a models.toml may say.

What it says comes from the code: types and defaults from the classes, descriptions from the `#:` comments
above their fields, headings from the plain comments between them.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from annotated_types import Ge, Gt, Le
from pydantic import SecretStr

from shared.models import Model, SpeechServer
from shared.settings import Settings
from shared.speech_settings import SpeechSettings
from shared.upstream import Prices, UpstreamEntry

PAGE = Path(__file__).with_name("SETTINGS.md")
SAMPLE = Path(__file__).with_name("models.sample.toml")

_HEAD = """\
# Settings

Written by `make settings` from `shared/settings.py`, `shared/models.py` and `shared/upstream.py`.

Environment variables, read once when a process starts. All have defaults; those that cannot be are refused,
all at once and by name.
"""
_MODELS = """
## models.toml

`HEADRACE_MODELS` names a TOML file with a table `[models.NAME]` for each model. `default` is the model of
requests that name none; `[models."*"]` serves every name that no other table has, under that name.
[models.sample.toml](models.sample.toml):
"""
#: What a models.toml is made of: each with what stands above its table.
_TABLES: dict[type[msgspec.Struct], str] = {
    Model: "",
    UpstreamEntry: """
### Upstreams

`[[models.NAME.upstreams]]`, a table for each server behind a model. What it leaves out is as the
model has it.
""",
    SpeechServer: """
### Speech

`[speech]`, a server that speaks in the place of what is installed.
""",
    Prices: """
### Prices

`prices = { prompt = 0.25, completion = 2.0 }`, of a model or of an upstream: for a million tokens.
""",
}
_KINDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    SecretStr: "text, kept secret",
    Path: "path",
    dict: "table",
    tuple: "two texts",
    frozenset: "list of texts",
    Prices: "table",
    UpstreamEntry: "table",
    list: "list of texts",
}
_UNITS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_chars": "characters",
    "_tokens": "tokens",
}


class Described(NamedTuple):
    """What the source says about one field."""

    section: str
    text: str


def page() -> str:
    """The whole page."""
    settings = _described(Settings) | _described(SpeechSettings)
    lines = [_HEAD]
    for section in dict.fromkeys(described.section for described in settings.values()):
        names = [name for name in settings if settings[name].section == section]
        lines += [
            f"## {section}\n",
            *_table("variable", (_setting(name, settings[name].text) for name in names)),
            "",
        ]
    lines += [_MODELS.lstrip("\n"), f"```toml\n{SAMPLE.read_text()}```\n"]
    for kind, above in _TABLES.items():
        described = _described(kind)
        rows = (_key(kind, field, described[field.name].text) for field in msgspec.structs.fields(kind))
        lines += [above, *_table("key", rows)] if above else _table("key", rows)
    return "\n".join(lines) + "\n"


def _setting(name: str, text: str) -> list[str]:
    field = Settings.model_fields[name]
    kind = ", ".join([_kind(field.annotation), *map(_bound, field.metadata)])
    default = field.get_default()
    return _row(f"HEADRACE_{name.upper()}", name, kind, default, text)


def _key(of: type[msgspec.Struct], field: msgspec.structs.FieldInfo, text: str) -> list[str]:
    default = field.default if field.default is not msgspec.NODEFAULT else None
    return _row(field.name, field.name, _kind(get_type_hints(of)[field.name]), default, text)


def _row(title: str, name: str, kind: str, default: object, text: str) -> list[str]:
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    shown = (
        ""
        if default in (None, "", frozenset())
        else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    )
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    return [f"`{title}`", kind, shown, unit, text]


def _table(first: str, rows: Iterable[list[str]]) -> Iterator[str]:
    yield f"| {first} | type | default | unit | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return " or ".join(_kind(part) for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is list:
        [item] = get_args(annotation)
        return f"list of {_kind(item)}"
    return _KINDS[get_origin(annotation) or annotation]


def _bound(bound: object) -> str:
    match bound:
        case Gt(gt=limit):
            return f"above {limit}"
        case Ge(ge=limit):
            return f"at least {limit}"
        case Le(le=limit):
            return f"at most {limit}"
    raise TypeError(f"no words for {bound!r}")


def _described(of: type) -> dict[str, Described]:
    """Each field of a class by name, in its order. Raises `ValueError` for one without a comment."""
    source = inspect.getsource(of)
    lines = [line.strip() for line in source.splitlines()]
    found: dict[str, Described] = {}
    section, last = "", 0
    [body] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = lines[last : node.lineno - 1]
            section = next((line[2:] for line in above if line.startswith("# ")), section)
            text = " ".join(line[3:] for line in above if line.startswith("#: "))
            if not text:
                raise ValueError(f"{of.__name__}.{node.target.id} has no description")
            found[node.target.id] = Described(section, text)
        last = node.end_lineno or node.lineno
    return found


def main(write: Callable[[str], object] = PAGE.write_text) -> None:
    """Write the page."""
    write(page())


if __name__ == "__main__":
    main()
