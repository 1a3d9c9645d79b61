"""
`python -m tests.bench.embedded` asks both embedded models the same twenty questions, through `headrace up`,
and writes deploy/MODEL.md: their answers side by side, tokens a second, and the memory of their server.

Both are fetched first, if need be. What was answered is kept in `bench-results/`: an interrupted run goes on.
"""

import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from deploy.model import catalogue, choice
from deploy.model.catalogue import Weights
from headrace import Chunk, Ended, HeadraceClient
from tests.e2e.up import Up

PAGE = Path(__file__).parents[2] / "deploy" / "MODEL.md"
#: Ten in English, ten in Chinese.
QUESTIONS = Path(__file__).with_name("embedded_questions.txt").read_text().splitlines()
#: Of an answer: enough to see what it is worth.
_MOST_TOKENS = 120
#: As many as the server answers at once.
_AT_ONCE = 4
_KEPT = Path(__file__).parents[2] / "bench-results"
_HEAD = """\
# The model that comes along

Written by `.venv/bin/python -m tests.bench.embedded`, which asks both through `headrace up`.

`headrace up` without `--upstream`, `--models` or `--model-file` fetches Qwen when it first needs a model, and
Gemma where that cannot be had. Both are toys: good for seeing streams, code, tables and two languages come
and go, and not for anything that must be right.

"""
#: Whoever runs this anew reads the answers, and says here what they are worth.
_READ = f"""
## What they are worth

Answers are drawn by chance: in an earlier run Qwen took Sydney for Australia's capital. Of those below:

- **Qwen** did what was asked in 14 of 20, in the question's language each time. Not so: all three distances
  from the sun are far off, the times of the sorting algorithms are missing, an opposite is said to be
  Chinese, two sentences became one or a list, and the river flows through a sky. The code is right.
- **Gemma** knew Beijing, and has what it says of a database word for word from the prompt that makes an
  assistant of it. The other 18 are wrong or beside the question, which it never answers in Chinese.

## Twenty questions

An answer that ends with … was cut after {_MOST_TOKENS} tokens.
"""


class Answer(NamedTuple):
    """Its text, what it cost, and how long its first word took."""

    text: str
    tokens: int
    first_s: float


@dataclass
class Run:
    """What one model said."""

    weights: Weights
    answers: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    resident_mb: float = 0


async def ask_all(weights: Weights) -> Run:
    """Every question, each in a conversation of its own."""
    run = _kept(weights)
    file = choice.bring(weights, print)
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        up = Up(Path(folder).resolve())
        up.start("--models", "", "--model-file", str(file))
        try:
            [url] = await up.ready(timeout_s=90)
            [server] = up.children("deploy.up.llama")
            async with HeadraceClient(url) as client:
                while group := QUESTIONS[len(run.answers) :][:_AT_ONCE]:
                    await _ask(client, group, run)
                    _keep(run)
            status = Path(f"/proc/{server}/status").read_text()
            run.resident_mb = int(status.partition("VmRSS:")[2].split()[0]) / 1000
            _keep(run)
        finally:
            await up.end()
    return run


async def _ask(client: HeadraceClient, questions: list[str], run: Run) -> None:
    """All at once, each in a conversation of its own."""
    began = time.monotonic()
    answers = await asyncio.gather(*(_answer(client, question) for question in questions))
    took = time.monotonic() - began
    run.rates.append(sum(answer.tokens for answer in answers) / took)
    run.first_s += [answer.first_s for answer in answers]
    run.answers += [answer.text for answer in answers]
    for question, answer in zip(questions, answers, strict=True):
        print(f"{run.weights.name}: {question}\n  {answer.text[:100]!r}", flush=True)


async def _answer(client: HeadraceClient, question: str) -> Answer:
    asked, first, said, tokens = time.monotonic(), 0.0, "", 0
    async for event in client.start(question, max_tokens=_MOST_TOKENS):
        if isinstance(event, Chunk):
            first = first or time.monotonic()
            said += event.text
        elif isinstance(event, Ended):
            tokens = event.usage["completion_tokens"]
            said += "" if event.finish_reason == "stop" else " …"
    return Answer(said, tokens, first - asked)


def _path(weights: Weights) -> Path:
    return _KEPT / f"embedded-{weights.name}.json"


def _keep(run: Run) -> None:
    _KEPT.mkdir(exist_ok=True)
    _path(run.weights).write_text(json.dumps([run.answers, run.rates, run.first_s, run.resident_mb]))


def _kept(weights: Weights) -> Run:
    """What an earlier run that was interrupted has been told."""
    path = _path(weights)
    return Run(weights, *json.loads(path.read_text())) if path.is_file() else Run(weights)


def page(runs: list[Run]) -> str:
    """The whole of deploy/MODEL.md."""
    heads = " | ".join(run.weights.title for run in runs)
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("file", lambda run: f"`{run.weights.file}`"),
        ("bytes", lambda run: f"{run.weights.size:,}"),
        ("licence", lambda run: run.weights.licence),
        ("sum (SHA-256)", lambda run: f"`{run.weights.sha256[:16]}…`"),
        ("tokens a second, four answers at once, median", lambda run: f"{statistics.median(run.rates):.0f}"),
        (
            "first token, four questions at once, median",
            lambda run: f"{statistics.median(run.first_s):.1f} s",
        ),
        ("resident memory of its server", lambda run: f"{run.resident_mb:.0f} MB"),
    ]
    text = _HEAD + f"| | {heads} |\n| --- |{' --- |' * len(runs)}\n"
    text += "".join(f"| {name} | {' | '.join(cell(run) for run in runs)} |\n" for name, cell in rows)
    text += "\nMeasured on two cores that had other work beside it.\n" + _READ
    text += f"\n| question | {heads} |\n| --- |{' --- |' * len(runs)}\n"
    for number, question in enumerate(QUESTIONS):
        cells = " | ".join(_cell(run.answers[number]) for run in runs)
        text += f"| {question} | {cells} |\n"
    return text


def _cell(answer: str) -> str:
    answer = answer if len(answer) < 700 else answer[:700] + " …"
    escaped = (
        answer.strip().replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("`", "&#96;")
    )
    return escaped.replace("\n", "<br>")


async def main() -> None:
    """Ask those named on the command line, else both; write the page once both have answered."""
    wanted = sys.argv[1:] or [weights.name for weights in catalogue.ALL]
    for weights in catalogue.ALL:
        if weights.name in wanted:
            await ask_all(weights)
    runs = [_kept(weights) for weights in catalogue.ALL]
    if all(run.resident_mb for run in runs):
        PAGE.write_text(page(runs))


if __name__ == "__main__":
    # However it is ended, what it has started ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asyncio.run(main())
