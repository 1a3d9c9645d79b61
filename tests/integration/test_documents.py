"""
Every snippet of every document is run here, or by the test that is named beside it: one that escapes fails.

A shell's line is run for real where it asks a gateway. Of what installs, serves for ever or takes minutes,
the command line is read by what it is meant for: make's targets, our own command's options, modules, files.
"""

import asyncio
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from deploy.cli import app
from gateway.dialects.native.chat import ChatRequest
from shared import models
from shared.settings import Settings
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.snippets import ROOT, Snippet, all_snippets, commands, snippets_of

ADDRESS = "localhost:8000"
#: Programs that are no part of this project, and what their lines are run by.
ELSEWHERE = {
    "npm": "tests/browser/test_embedded.py: a fresh application installs the package from its file",
    "docker": "nothing here: this machine builds no images; `deploy/README.md` says so",
    "helm": "the chart's own tests, which render it",
    "kubectl": "nothing here: there is no cluster; `deploy/README.md` says so",
    "systemctl": "the units' own tests, which verify them",
    "install": "nothing here: it lays files, which are looked for",
    "cp": "nothing here: it lays files, which are looked for",
    "python3": "tests/e2e/test_dist.py, whose environment is made so",
    "backup.sh": "tests/chaos/test_backup.py",
    "restore.sh": "tests/chaos/test_backup.py",
    "pip": "tests/e2e/test_dist.py, which installs the wheel into a fresh environment",
}
#: Snippets that another test plays, by document and what they begin with.
PLAYED = {
    ("shared/PROTOCOL.md", "const chat = useChat("): "tests/e2e/test_ai_sdk.py",
    # All of them: see `web_programs.readme`.
    ("gateway/web/README.md", "import "): "tests/browser/test_embedded.py",
    ("deploy/CAPACITY.md", ""): "tests/unit/test_plan.py",
}
#: A shell's own words, beside assignments.
SHELL = {"export", "cd", "curl", "tee", "sed", "|"}

SNIPPETS = all_snippets()


def played_by(snippet: Snippet) -> str | None:
    """The test elsewhere that plays it."""
    for (document, begin), test in PLAYED.items():
        if snippet.document == document and snippet.text.lstrip().startswith(begin):
            return test
    return None


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
async def test_snippet(snippet: Snippet, local: Local, session: ClientSession, tmp_path: Path) -> None:
    """It does what it says."""
    if test := played_by(snippet):
        assert (ROOT / test).is_file()
        return
    run = RUN.get(snippet.language)
    assert run is not None, f"{snippet}: nothing says how a snippet of {snippet.language!r} is run"
    await run(snippet, local, session, tmp_path)


def test_all_that_is_played_is_there() -> None:
    """No entry speaks of a snippet that has gone."""
    for document, begin in PLAYED:
        found = [s for s in SNIPPETS if s.document == document and s.text.lstrip().startswith(begin)]
        assert found, (document, begin)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "x"),
        ("rust", "fn main() {}"),
        ("sh", "make fly"),
        ("sh", 'make up ARGS="--wings 2"'),
        ("sh", "headrace fly"),
        ("sh", "export HEADRACE_WINGS=2"),
        ("sh", "frobnicate"),
        ("sh", "cp deploy/nothing.toml models.toml"),
        ("sh", ".venv/bin/python -m tests.nothing"),
        ("sh", ".venv/bin/python -m pytest tests/nothing.py"),
        ("toml", "a = "),
        ("json", "{"),
        ("python", "raise SystemExit(1)"),
    ],
)
async def test_what_is_wrong_is_found(
    language: str, text: str, local: Local, session: ClientSession, tmp_path: Path
) -> None:
    """A snippet that does not work fails, and so does one that nobody knows how to run."""
    [snippet] = snippets_of(f"A document.\n\n```{language}\n{text}\n```\n", "README.md")
    with pytest.raises((AssertionError, ValueError)):
        await test_snippet(snippet, local, session, tmp_path)


async def run_shell(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """Each line is read, and those that ask a gateway are run, together, as they stand."""
    lines = list(commands(snippet.text))
    for words in lines:
        check_command(words, str(snippet))
    programs = {first_word(words) for words in lines}
    if "curl" not in programs and not any(words[:2] == ["headrace", "keys"] for words in lines):
        return
    await local.start()
    text = snippet.text.replace(ADDRESS, local.url.removeprefix("http://")).replace("/tmp/", f"{folder}/")
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HEADRACE_REDIS_URL": local.redis_url,
    }
    out = await run_program(["sh", "-eu"], text, env, folder)
    if "curl" in programs:
        assert '"type":"end"' in out, out
        assert "event not found" not in out and '"error"' not in out.replace('"error":null', ""), out


def first_word(words: list[str]) -> str:
    """The program of a command: what follows its settings."""
    return next((word for word in words if not re.match(r"^[A-Za-z_]+=", word)), "")


def check_command(words: list[str], where: str) -> None:
    """Raises `AssertionError` for what cannot be run, or is not known here."""
    for name in (word.partition("=")[0] for word in words if word.startswith("HEADRACE_")):
        assert name.removeprefix("HEADRACE_").lower() in Settings.model_fields, (
            f"{where}: {name} is no setting"
        )
    words = [word for word in words if not re.match(r"^HEADRACE_[A-Z_]+=", word)]
    if not words:
        return
    for word in words:
        if re.match(r"(deploy|gateway|shared|tests|worker)/", word):
            assert any(ROOT.glob(word.partition("::")[0])), f"{where}: {word} is not there"
    program = Path(first_word(words)).name if not first_word(words).startswith("-") else ""
    rest = words[words.index(first_word(words)) + 1 :] if program else []
    match program:
        case "make":
            check_make(rest, where)
        case "headrace":
            check_headrace(rest, where)
        case "python":
            check_module(rest, where)
        case _:
            assert program in ELSEWHERE or program in SHELL or not program, f"{where}: who runs {program}?"


def check_make(words: list[str], where: str) -> None:
    """Its targets are the Makefile's, and what they pass on is understood."""
    makefile = (ROOT / "Makefile").read_text()
    targets = [word for word in words if "=" not in word]
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"{where}: make {target}"
    for word in words:
        if word.startswith("ARGS=") and targets == ["up"]:
            check_headrace(["up", *shlex.split(word.removeprefix("ARGS="))], where)


def check_headrace(words: list[str], where: str) -> None:
    """Our own command understands it."""
    words = words[: words.index("|")] if "|" in words else words
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except Exception as error:  # each kind of mistake has its own class
        raise AssertionError(f"{where}: headrace {' '.join(words)}: {error}") from error


def check_module(words: list[str], where: str) -> None:
    """The module is there, and so are the files that it is to look at."""
    assert words[0] == "-m", where
    if words[1] != "pytest":
        assert find_spec(words[1]) is not None, f"{where}: {words[1]}"
        return
    for word in words[2:]:
        if word.startswith("tests/"):
            assert (ROOT / word.partition("::")[0]).exists(), f"{where}: {word}"


async def run_python(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """The program ends well, and says something."""
    await local.start()
    text = snippet.text.replace("http://127.0.0.1:8000", local.url)
    assert await run_program([sys.executable, "-"], text, dict(os.environ), folder)


async def run_program(command: list[str], text: str, env: Mapping[str, str], folder: Path) -> str:
    """What a program says that reads *text*; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=env,
        cwd=folder,
    )
    out, _ = await process.communicate(text.encode())
    assert process.returncode == 0, out.decode()
    return out.decode()


async def run_json(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """What the protocol shows is what is taken and given."""
    shown = json.loads(snippet.text)
    if snippet.document != "shared/PROTOCOL.md":
        return
    await local.start()
    chat = ChatClient(session, local.url)
    if "message" in shown:
        msgspec.convert(shown, ChatRequest)
    elif "error" in shown:
        assert (await chat.call("POST", "/api/chat/stream", json={"message": " "})).body == shown
    elif "conversation" in shown:
        await chat.ask(script(length=3), conversation_id="c1")
        has_all(await chat.conversation("c1"), shown)
    else:
        raise AssertionError(f"{snippet}: nothing says what that is")


def has_all(given: Any, shown: Any) -> None:
    """*given* has each field that is *shown*, in the same shape."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in given, name
            has_all(given[name], value)
    elif isinstance(shown, list):
        for one, other in zip(given, shown, strict=True):
            has_all(one, other)
    else:
        assert given is None or isinstance(given, type(shown)) or shown is None, (given, shown)


async def run_sse(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """A stream has these frames: the same ids and types, and in each the same fields."""
    await local.start()
    asked = {"message": script(length=1), "conversation_id": "c1"}
    async with session.post(f"{local.url}/api/chat/stream", json=asked) as response:
        body = await response.text()
    told, shown = frames_of(body), frames_of(snippet.text.replace("{…}", "{}"))
    assert [(position, data["type"]) for position, data in told] == [
        (position, data["type"]) for position, data in shown
    ]
    for (_, one), (_, other) in zip(told, shown, strict=True):
        assert list(one) == list(other)
        assert list(one["metadata"]) == list(other["metadata"])


def frames_of(text: str) -> list[tuple[str, Any]]:
    """The id and the data of each frame that has them."""
    found = re.findall(r"^id: (\S+)\ndata: (.*)$", text, re.MULTILINE)
    return [(position, json.loads(data)) for position, data in found]


async def run_toml(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """A models.toml is read by what reads them; a planted fault is one on file."""
    read = tomllib.loads(snippet.text)
    if "models" in read:
        (folder / "models.toml").write_text(snippet.text)
        models.load(folder / "models.toml")
    for mutant in read.get("mutant", ()):
        on_file = [
            m
            for path in (ROOT / "tests/mutants").glob("*.toml")
            for m in tomllib.loads(path.read_text())["mutant"]
        ]
        assert mutant["name"] in {m["name"] for m in on_file}


async def run_yaml(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """It is read; what a cluster or Prometheus makes of it their own tests say."""
    list(import_module("yaml").safe_load_all(snippet.text))


async def run_console(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """What is typed after `$ ` is a shell's line; what follows it is what a program said once."""
    typed = "\n".join(line[2:] for line in snippet.text.splitlines() if line.startswith("$ "))
    assert typed, f"{snippet}: nothing is typed"
    await run_shell(snippet._replace(text=typed), local, session, folder)


async def nothing(snippet: Snippet, local: Local, session: ClientSession, folder: Path) -> None:
    """It is what a program says, or a picture of text, and says so by its fence."""


RUN: dict[str, Callable[[Snippet, Local, ClientSession, Path], Any]] = {
    "sh": run_shell,
    "console": run_console,
    "python": run_python,
    "json": run_json,
    "sse": run_sse,
    "toml": run_toml,
    "yaml": run_yaml,
    "text": nothing,
}
