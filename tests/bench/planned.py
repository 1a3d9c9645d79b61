"""
`python -m tests.bench.planned`: the figures that `headrace plan` plans with, as `MEASURED` in deploy/plan.py
and the table in deploy/CAPACITY.md have them. It wants the machine to itself, for about four minutes.

Answers of two lengths tell what a delta costs from what an answer's beginning and end do. Once deploy/plan.py
has the figures, `--page` measures nothing, but puts what `headrace plan` prints with them into the page.
"""
# Only `make bench` installs what is imported here, but the code is checked everywhere.
# mypy: disable-error-code="import-not-found,import-untyped"

import argparse
import os
import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import uvloop

from deploy.plan import BUSY, CORE_US, MEASURED, Part
from tests.bench import targets
from tests.bench.children import raise_file_limit
from tests.bench.workload import Workload, measure

_PARTS: Sequence[Part] = get_args(Part)
_SHORT, _LONG = 100, 400
_RATE = 20.0
_PAGE = Path(__file__).parents[2] / "deploy" / "CAPACITY.md"
#: A command of the page, and what it prints.
_SHOWN = re.compile(r"(?<=```console\n)\$ (.*headrace plan .*)\n[^`]*(?=```)")

Costs = Mapping[Part, float]


async def costs(streams: int, rounds: int) -> tuple[Costs, Costs]:
    """CPU of a delta in the middle of an answer, and of beginning and ending one, in µs: medians."""
    deltas: list[Costs] = []
    answers: list[Costs] = []
    async with targets.upstream() as upstream:
        for _ in range(rounds):
            async with targets.headrace(upstream.port) as ours:
                short, long = [
                    await measure(targets.OURS, ours, upstream, Workload(length, _RATE), streams)
                    for length in (_SHORT, _LONG)
                ]
            if short.lost or long.lost:
                print(f"{short.lost} and {long.lost} deltas lost: this round is of no use", flush=True)
                continue
            a, b = short.cpu_us_per_delta, long.cpu_us_per_delta
            answer = {part: (a[part] - b[part]) * _SHORT * _LONG / (_LONG - _SHORT) for part in _PARTS}
            answers.append(answer)
            deltas.append({part: b[part] - answer[part] / _LONG for part in _PARTS})
    return _medians(deltas), _medians(answers)


def _medians(found: Sequence[Costs]) -> Costs:
    return {part: statistics.median(each[part] for each in found) for part in _PARTS}


def show(streams: int, delta_us: Costs, answer_us: Costs) -> None:
    """First the lines of deploy/plan.py, then the rows of deploy/CAPACITY.md."""
    whole = {part: round(us) for part, us in delta_us.items()}
    hundreds = {part: max(100, round(us, -2)) for part, us in answer_us.items()}
    now, was = "measured", "MEASURED"
    print(f"{now}: delta_us={delta_us}, answer_us={answer_us}")
    print(f"{was}: delta_us={MEASURED.delta_us}, answer_us={MEASURED.answer_us}\n")
    print(f"    delta_us={_literal(whole)},\n    answer_us={_literal(hundreds)},\n")
    a_second = {part: BUSY * CORE_US / us for part, us in whole.items()}
    rows = {
        f"CPU a delta, {streams} streams at once": [f"{whole[part]} µs" for part in _PARTS],
        f"deltas a second from one core, {BUSY:.0%} busy": [f"{round(a_second[p], -2):,.0f}" for p in _PARTS],
        f"streams of {_RATE:.0f} deltas a second from one core, {BUSY:.0%} busy": [
            f"{round(a_second[part] / _RATE, -1):,.0f}" for part in _PARTS
        ],
        "CPU to begin and end an answer": [f"{hundreds[part] / 1000:.1f} ms" for part in _PARTS],
    }
    for what, cells in rows.items():
        print(f"| {what} | {' | '.join(cells)} |")


def _literal(costs_us: Mapping[Part, float]) -> str:
    return "{" + ", ".join(f'"{part}": {us:.0f}' for part, us in costs_us.items()) + "}"


def redraw() -> None:
    """Run each `headrace plan` of the page again."""
    _PAGE.write_text(_SHOWN.sub(lambda shown: f"$ {shown[1]}\n{_printed(shown[1])}", _PAGE.read_text()))


def _printed(command: str) -> str:
    words = shlex.split(command)
    at = words.index("headrace")
    env = os.environ | dict(word.split("=", 1) for word in words[:at])
    run = [sys.executable, "-m", "deploy", *words[at + 1 :]]
    return subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Prints what to put where."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.planned", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000, help="streams at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", action="store_true", help="only draw deploy/CAPACITY.md's plans anew")
    chosen = parser.parse_args()
    if chosen.page:
        redraw()
        return
    raise_file_limit()
    show(chosen.streams, *uvloop.run(costs(chosen.streams, chosen.rounds)))


if __name__ == "__main__":
    main()
