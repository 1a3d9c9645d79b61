"""Each dashboard of deploy/grafana as a picture, from a busy system's data."""

import math
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from aiohttp import ClientSession, ClientTimeout
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter

from deploy.grafana.dashboards import FOLDER
from deploy.grafana.panels import DASHBOARDS, Dashboard, Panel
from tests.kit.busy import Watched, watched

PICTURES = FOLDER / "pictures"
_LABEL = re.compile(r"\{\{(\w+)\}\}")
#: Of more lines, a legend shows the largest. No more than there are colours that one can tell apart.
_MOST_LEGENDS = 8
_OTHERS = "0.75"


async def draw(seconds: float, streams: int) -> None:
    """Keep a system busy, then draw all that Prometheus has of it."""
    PICTURES.mkdir(exist_ok=True)
    timeout = ClientTimeout(total=60)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            ClientSession(timeout=timeout) as http,
            watched(Path(folder), http, seconds, streams) as system,
        ):
            # Drawing takes its time, in which nothing happens any more.
            until = time.time()
            for dashboard in DASHBOARDS:
                await _draw(dashboard, system, until)


async def _draw(dashboard: Dashboard, system: Watched, until: float) -> None:
    rows = math.ceil(len(dashboard.panels) / 2)
    size = (15, 0.8 + 2.4 * rows)
    figure, grid = pyplot.subplots(rows, 2, figsize=size, squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    for axes, panel in zip(grid.flat, dashboard.panels, strict=False):
        lines = [
            (_legend(legend, series["metric"]), series["values"])
            for legend, expr in panel.queries.items()
            for series in await system.shown(expr, until=until)
        ]
        _draw_panel(axes, panel, lines, system.began, until)
    for axes in list(grid.flat)[len(dashboard.panels) :]:
        axes.set_visible(False)
    figure.suptitle(dashboard.title, x=0.01, ha="left", fontsize=14)
    figure.draw_without_rendering()
    for axes in grid.flat:
        _refuse_what_cannot_be_read(axes, grid.flat)
    figure.savefig(PICTURES / f"{dashboard.uid}.png", dpi=80)
    pyplot.close(figure)


def _draw_panel(
    axes: Any,
    panel: Panel,
    lines: Sequence[tuple[str, Sequence[tuple[float, str]]]],
    began: float,
    until: float,
) -> None:
    largest = sorted(lines, key=lambda line: -max(_numbers(line[1]), default=0))
    shown = {id(line) for line in largest[:_MOST_LEGENDS]}
    colours = iter(pyplot.colormaps["tab10"].colors)
    for line in lines:
        legend, values = line
        times = [float(at) - began for at, _ in values]
        told = {"label": legend, "color": next(colours)} if id(line) in shown else {"color": _OTHERS}
        axes.plot(times, [float(value) for _, value in values], lw=1.4, **told)
    axes.set_title(panel.title, loc="left", fontsize=10)
    most = max((max(_numbers(values), default=0) for _, values in lines), default=0)
    axes.set_ylim(0, most * 1.08 or 1)
    axes.set_xlim(0, until - began)
    axes.grid(alpha=0.25)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _said(value, panel.unit)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} s"))
    axes.tick_params(labelsize=8)
    if lines:
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _refuse_what_cannot_be_read(axes: Any, every: Iterable[Any]) -> None:
    """Raises `ValueError` for a legend with a colour twice, or one that lies over another panel."""
    legend = axes.get_legend()
    if legend is None:
        return
    colours = [line.get_color() for line in legend.get_lines()]
    room = legend.get_window_extent()
    over = [other for other in every if other is not axes and room.overlaps(_panel_extent(other))]
    if over or len(set(colours)) < len(colours):
        raise ValueError(f"the legend of {axes.get_title(loc='left')!r} cannot be read")


def _panel_extent(axes: Any) -> Any:
    """What a panel takes up with its scales and title, without its legend."""
    ours = [child for child in axes.get_children() if child is not axes.get_legend()]
    return axes.get_tightbbox(bbox_extra_artists=[child for child in ours if child.get_in_layout()])


def _numbers(values: Sequence[tuple[float, str]]) -> list[float]:
    return [float(value) for _, value in values if value != "NaN"]


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda found: labels.get(found[1], ""), legend)


def _said(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value * 1000:g} ms" if 0 < value < 1 else f"{value:g} s"
    if unit == "bytes":
        return f"{value / 1e6:g} MB"
    if unit == "percentunit":
        return f"{value * 100:g} %"
    return f"{value:g}{'/s' if unit in {'ops', 'reqps'} else ''}"
