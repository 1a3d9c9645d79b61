"""
Answers of model servers as files, and a server that gives them, byte for byte.

A file has the raw answer and what is to come of it. Of the answer: `status` (200), `headers`, `body` or
`hex`, `pieces` (bytes a write), `crlf`, `cut` (the connection breaks where the body would end); `{{x 100}}`
in a body is a hundred x. `model` names the model to ask. Under `expect`: `text`, `reasoning`, `calls` (an
empty id is one that we make up), `finish_reason`, `upstream_reason`, `usage` or `estimated`; or `error`,
with words of its `message` and `retry_after_s`; and `requests`, how often the server is to be asked.
"""

import asyncio
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Self

import msgspec

CORPUS = Path(__file__).parents[1] / "corpus" / "upstream"


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call."""

    id: str
    name: str
    arguments: str


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to come of an answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = []
    finish_reason: str | None = None
    upstream_reason: str | None = None
    usage: dict[str, int] | None = None
    estimated: bool = False
    error: str | None = None
    message: str = ""
    retry_after_s: float | None = None
    requests: int | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing was said before the end."""
        return not (self.text or self.reasoning or self.calls)


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    expect: Expected
    body: str = ""
    hex: str | None = None
    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    model: str = "plain"
    pieces: int | None = None
    crlf: bool = False
    cut: bool = False

    @property
    def writes(self) -> list[bytes]:
        """The body as it is written."""
        if self.hex is not None:
            raw = bytes.fromhex(self.hex)
        else:
            text = re.sub(r"\{\{(.) (\d+)\}\}", lambda match: match[1] * int(match[2]), self.body)
            raw = (text.replace("\n", "\r\n") if self.crlf else text).encode()
        size = self.pieces or max(1, len(raw))
        return [raw[at : at + size] for at in range(0, len(raw), size)]


def corpus() -> dict[str, Recorded]:
    """All of it, by name."""
    return {
        path.stem: msgspec.convert(tomllib.loads(path.read_text()), Recorded)
        for path in sorted(CORPUS.glob("*.toml"))
    }


class CorpusServer:
    """Gives the answer that the last user message names, and counts how often."""

    def __init__(self, answers: dict[str, Recorded]) -> None:
        self._answers = answers
        #: Requests by the whole of their last user message: a name, and whatever stands after a space.
        self.asked: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", backlog=1024)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            body = msgspec.json.decode(await reader.readexactly(int(length[1]) if length else 0))
            said = body["messages"][-1]["content"]
            self.asked[said] += 1
            await self._answer(self._answers[said.partition(" ")[0]], writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, answer: Recorded, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {answer.status} Whatever", "Transfer-Encoding: chunked", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for piece in answer.writes:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        if not answer.cut:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
