"""The same figures as a picture: CPU by process, and delays, system beside system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from tests.bench.figures import Run
from tests.bench.targets import DIRECT

_COLOURS = {
    "gateway": "#1f6f8b",
    "worker": "#57a6a1",
    "broker": "#d8a25e",
    "supervisor": "#8a8a8a",
    "proxy": "#b0b7bf",
}


def draw(runs: Sequence[Run], file: Path) -> None:
    """Write an SVG: one row a number of streams."""
    sizes = sorted({run.streams for run in runs})
    figure, grid = pyplot.subplots(len(sizes), 2, figsize=(11, 0.6 + 2.4 * len(sizes)), squeeze=False)
    for (cpu, delay), size in zip(grid, sizes, strict=True):
        systems = [run for run in reversed(runs) if run.streams == size and run.system != DIRECT]
        _draw_cpu(cpu, systems)
        _draw_delay(delay, systems)
        cpu.set_title(f"{size} streams: CPU, us a delta", loc="left", fontsize=10)
        delay.set_title("delay p99, ms", loc="left", fontsize=10)
    figure.tight_layout()
    figure.savefig(file, format="svg")
    pyplot.close(figure)


def _draw_cpu(axes: Any, systems: Sequence[Run]) -> None:
    names = [run.system for run in systems]
    done = [0.0] * len(systems)
    for role, colour in _COLOURS.items():
        spent = [run.cpu_us_per_delta.get(role, 0.0) for run in systems]
        if any(spent):
            axes.barh(names, spent, left=done, color=colour, label=role)
            done = [a + b for a, b in zip(done, spent, strict=True)]
    for at, whole in enumerate(done):
        axes.text(whole, at, f" {whole:.0f}", va="center", fontsize=8)
    axes.margins(x=0.12)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=len(_COLOURS), frameon=False)


def _draw_delay(axes: Any, systems: Sequence[Run]) -> None:
    p99 = [run.delay_ms.p99 for run in systems]
    axes.barh([run.system for run in systems], p99, color=_COLOURS["gateway"])
    axes.set_xscale("log")
    axes.set_xlim(0.1, 10 * max(p99))
    axes.set_yticklabels([])
    for at, (run, value) in enumerate(zip(systems, p99, strict=True)):
        lost = f", {run.lost} deltas lost" if run.lost else ""
        axes.text(value, at, f" {value:.1f}{lost}", va="center", fontsize=8)
