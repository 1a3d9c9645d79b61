"""What a model says reaches the terminal as text alone: nothing in it moves, hides or reorders anything."""

import asyncio
import io
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace import HeadraceError
from headrace.events import Ended, Failed, Part
from headrace.player import play
from headrace.terminal import Chat

_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def said(*pieces: str) -> str:
    """What is shown of *pieces*, as they come."""
    out = io.StringIO()
    chat = Chat("http://127.0.0.1:1", out=out)
    for piece in pieces:
        chat._say(piece)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07x", "[2J]0;titlex"),
        ("\x9b2Jx\x85y", "2Jxy"),
        ("a\rb\x08c\x7fd\x0be\x0cf", "abcdef"),
        (f"a{_BIDI}b", "ab"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("in\u00advisi\u200bble\ufeff\u2060\u180e", "invisible"),
        ("a\U000e0041\U000e0042b", "ab"),
        ("a\u206ab\ufff9c\ufffa", "abc"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    """Escapes, controls, and what reorders or hides text are left out."""
    assert said(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "line\n\ttab",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "مرحبا بالعالم 123",
        "שלום עולם (abc)",
        "می\u200cخواهم",  # noqa: RUF001
        "क्\u200dष 你好 é e\u0301",
    ],
)
def test_unchanged(text: str) -> None:
    """Languages written from the right, joiners and emoji are what they were, however they are cut."""
    assert said(text) == text
    assert said(*text) == text


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", ""), ("length", "longest"), ("content_filter", "filter"), ("unknown", "end"), ("newer", "")],
)
async def test_an_answer_that_may_not_be_whole(reason: str, told: str) -> None:
    """Whoever reads it is told."""

    async def reply() -> AsyncIterator[Ended]:
        yield Ended(reason, {}, position="1-1")

    notes = io.StringIO()
    assert await Chat("http://127.0.0.1:1", out=io.StringIO(), notes=notes)._read(reply()) == 0  # type: ignore[arg-type]
    assert (told in notes.getvalue()) if told else not notes.getvalue()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"blob": "ab12", "size": 9}, "[a picture: http://127.0.0.1:1/api/blobs/ab12]\n"),
        ({"blob": "", "lost": "too_large"}, "[a picture was lost: too large]\n"),
    ],
)
async def test_a_picture(part: dict[str, Any], told: str) -> None:
    """No terminal shows it: it says where it is, or that it was lost."""

    async def reply() -> AsyncIterator[Part | Ended]:
        yield Part(part, position="1-1")
        yield Ended("stop", {}, position="1-2")

    notes = io.StringIO()
    assert await Chat("http://127.0.0.1:1/", out=io.StringIO(), notes=notes)._read(reply()) == 0  # type: ignore[arg-type]
    assert notes.getvalue() == told


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (Ended("stop", {}, position="1-1"), 0),
        (Ended("cancelled", {}, position="1-1"), 130),
        (Failed("internal", "It failed.", False, position="1-1"), 1),
    ],
)
async def test_how_it_ended(event: Ended | Failed, status: int) -> None:
    """The exit status says so."""

    async def reply() -> AsyncIterator[Ended | Failed]:
        yield event

    chat = Chat("http://127.0.0.1:1", out=io.StringIO(), notes=io.StringIO())
    assert await chat._read(reply()) == status  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_player_ends_with_the_sound(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Also where the sound breaks off: no player is left that waits for more."""

    async def sound() -> AsyncIterator[bytes]:
        yield b"ab"
        if fails:
            raise HeadraceError("it broke off")
        yield b"cd"

    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def kept(*command: str, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **options))
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", kept)
    command = ("sh", "-c", '[ "$(cat)" = abcd ] && exit 3')
    if fails:
        with pytest.raises(HeadraceError):
            await play(sound(), command)
        assert started[0].returncode == -signal.SIGKILL
    else:
        assert await play(sound(), command) == 3
