"""
`headrace models check`: asks each upstream of a models.toml a few tiny questions, and says what it can.

The questions are a worker's own, over the same code: what works here works there.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import structlog
from rich.console import Console
from rich.table import Table

from shared import models
from shared.events import Text, ToolCall
from shared.failures import FirstTokenTimeout, UpstreamError, UpstreamRefused, UpstreamUnauthorized
from shared.models import WILDCARD
from worker.backends import Backend, Delta, Prompt
from worker.backends.choice import open_backend
from worker.backends.redaction import for_log

_MOST_S = 60.0
_WIDTH = 150
_FEW_TOKENS = 24
_TOOL = {
    "type": "function",
    "function": {
        "name": "read_level",
        "description": "Reads the water level at a gate.",
        "parameters": {"type": "object", "properties": {"gate": {"type": "string"}}, "required": ["gate"]},
    },
}
#: A single pixel.
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJ"
    "RU5ErkJggg=="
)
_PREFIX, _REST = "one two three", "four five six"


class Row(msgspec.Struct):
    """What was found out about one upstream; a cell is empty where nobody could be asked."""

    model: str
    upstream: str
    reachable: str = "no"
    key: str = ""
    streams: str = ""
    continues: str = ""
    tools: str = ""
    pictures: str = ""
    ttft: str = ""
    says: str = ""

    @property
    def well(self) -> bool:
        """Whether it can answer."""
        return bool(self.ttft)


async def check(known: models.Models) -> list[Row]:
    """A row for each upstream, all asked at once."""
    asked = [
        _check(name, place.name, model.at(number))
        for name, model in known.by_name.items()
        for number, place in enumerate(model.places)
    ]
    return list(await asyncio.gather(*asked))


def table(rows: Sequence[Row]) -> Table:
    """*rows* for people."""
    shown = Table(box=None, pad_edge=False)
    for title in Row.__struct_fields__:
        shown.add_column(title.upper() if title == "ttft" else title, no_wrap=title != "says")
    for row in rows:
        shown.add_row(*msgspec.structs.astuple(row))
    return shown


async def _check(name: str, upstream: str, model: models.Model) -> Row:
    row = Row(name, upstream)
    try:
        backend = open_backend(model, name)
    except ValueError as error:
        row.says = str(error)
        return row
    try:
        await _ask_all(row, backend, name, min(_MOST_S, model.first_token_timeout_s))
    finally:
        await backend.close()
    return row


async def _ask_all(row: Row, backend: Backend, name: str, within_s: float) -> None:
    asked_for = ""
    try:
        if name == WILDCARD:
            asked_for = next(iter(await backend.models()), "")
        began = time.monotonic()
        said, first_at = await _answer(backend, _prompt("Count from one to ten.", asked_for), within_s)
    except UpstreamError as error:
        row.reachable = "no" if isinstance(error, UpstreamRefused | FirstTokenTimeout) else "yes"
        row.key = "refused" if isinstance(error, UpstreamUnauthorized) else ""
        row.says = for_log(f"{error.code}: {error.said or error.message}")
        return
    row.reachable = row.key = "yes"
    row.ttft = f"{first_at - began:.2f} s"
    row.streams = "yes" if sum(isinstance(delta, Text) for delta in said) > 1 else "no"
    row.continues = await _continues(backend, asked_for, within_s)
    row.tools = await _tools(backend, asked_for, within_s)
    row.pictures = await _pictures(backend, asked_for, within_s)


async def _continues(backend: Backend, asked_for: str, within_s: float) -> str:
    asked = f"Say exactly this, and nothing else: {_PREFIX} {_REST}"
    prompt = _prompt(asked, asked_for, prefix=_PREFIX)
    try:
        said, _ = await _answer(backend, prompt, within_s)
    except UpstreamError:
        return "no"
    text = "".join(delta.text for delta in said if isinstance(delta, Text)).strip().lower()
    return "yes" if text.startswith(_REST[:4]) else "no"


async def _tools(backend: Backend, asked_for: str, within_s: float) -> str:
    parameters = {"tools": [_TOOL]}
    prompt = _prompt("Use the tool: what is the level at the upper gate?", asked_for, parameters=parameters)
    try:
        said, _ = await _answer(backend, prompt, within_s)
    except UpstreamError:
        return "no"
    return "yes" if any(isinstance(delta, ToolCall) for delta in said) else "not called"


async def _pictures(backend: Backend, asked_for: str, within_s: float) -> str:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": _PICTURE}},
    ]
    try:
        await _answer(backend, _prompt(content, asked_for), within_s)
    except UpstreamError:
        return "no"
    return "yes"


def _prompt(content: Any, asked_for: str, **fields: Any) -> Prompt:
    messages = [{"role": "user", "content": content}]
    return Prompt(messages=messages, max_tokens=_FEW_TOKENS, model=asked_for, **fields)


async def _answer(backend: Backend, prompt: Prompt, within_s: float) -> tuple[list[Delta], float]:
    """All deltas, and when the first came. Raises `UpstreamError`."""
    said: list[Delta] = []
    first_at = 0.0
    try:
        async with asyncio.timeout(within_s), aclosing(backend.stream(prompt)) as stream:
            async for deltas in stream:
                if deltas and not said:
                    first_at = time.monotonic()
                said += deltas
    except TimeoutError as error:
        raise FirstTokenTimeout from error
    return said, first_at


def main() -> None:
    """`python -m worker.check FILE`: ends with 1 where one of them cannot answer."""
    try:
        known = models.load(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"headrace: {error}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    rows = asyncio.run(check(known))
    console.print(table(rows))
    sys.exit(0 if all(row.well for row in rows) else 1)


if __name__ == "__main__":
    main()
