"""
The `models.toml` of `headrace up`: written into the data directory from what was asked for.

Whatever it came from, it has been read back by the same code that gateways and workers use.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared import models

_HEAD = """\
# Written by `headrace up` each time it starts. To change something, edit a copy and start
# `headrace up --models COPY`.
"""
_DEFAULT = re.compile(r"^\s*default\s*=.*\n?", re.MULTILINE)
_FIRST_TABLE = re.compile(r"^\s*\[", re.MULTILINE)


def for_upstreams(urls: Sequence[str], model: str, api_key_env: str | None) -> str:
    """One model of OpenAI-compatible servers at *urls*, asked for by the servers' own name for it."""
    entry = {"api_key_env": api_key_env} if api_key_env else {}
    if len(urls) == 1:
        return _one(model, {"base_url": urls[0]} | entry)
    tables = (f"\n[[models.{_toml(model)}.upstreams]]\nbase_url = {_toml(url)}\n" for url in urls)
    return _one(model, entry) + "".join(tables)


def for_embedded(name: str, port: int, **entry: Any) -> str:
    """The embedded model server's model."""
    return _one(name, {"base_url": f"http://127.0.0.1:{port}/v1", **entry})


def with_default(text: str, model: str) -> str:
    """A `models.toml` with *model* as the default, and otherwise as it was."""
    table = _FIRST_TABLE.search(text)
    top = table.start() if table else len(text)
    return f"default = {_toml(model)}\n" + _DEFAULT.sub("", text[:top]) + text[top:]


def write(path: Path, text: str) -> models.Models:
    """Write *text* whole, and read it back. Raises `ValueError` with what is wrong with it."""
    partial = path.with_suffix(".part")
    partial.write_text(_HEAD + "\n" + text)
    known = models.load(partial)
    for name, model in known.by_name.items():
        for server in (model.at(number) for number, _ in enumerate(model.places)):
            if server.api_key_env and not os.environ.get(server.api_key_env, "").strip():
                raise ValueError(
                    f"model {name!r} needs its API key in the environment variable {server.api_key_env}"
                )
    partial.replace(path)
    return known


def _one(name: str, entry: dict[str, Any]) -> str:
    lines = [f"default = {_toml(name)}", "", f"[models.{_toml(name)}]"]
    lines += [f"{key} = {_toml(value)}" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Strings, numbers and booleans are written alike in JSON and TOML, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
