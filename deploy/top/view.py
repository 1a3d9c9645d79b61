"""The picture that `headrace top` shows of two looks."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.top.samples import Between


def picture(between: Between, gateways: Sequence[str], workers: Sequence[str]) -> RenderableType:
    """All of it, one table under the other."""
    return Group(
        _headline(between),
        _latencies(between),
        _processes(between, gateways, workers),
        _primaries(between),
        _upstreams(between),
    )


def _headline(between: Between) -> RenderableType:
    now = between.now
    table = _table("", "open", "queued", "oldest", "running", "replies/s", "failed/s", "tokens/s", "events/s")
    failed = between.rate("headrace_generations_ended_total", outcome="failed")
    # No gateway tells of queues while no primary answers.
    knows = bool(now.values("headrace_queue_depth", "queue"))
    table.add_row(
        "streams",
        f"{now.total('headrace_open_streams'):.0f}",
        f"{_over_queues(between, 'headrace_queue_depth'):.0f}" if knows else "?",
        _seconds(now.most("headrace_queue_oldest_age_seconds")) if knows else "?",
        f"{now.total('headrace_generations_running'):.0f}",
        f"{between.rate('headrace_generations_created_total'):.1f}",
        Text(f"{failed:.1f}", style="red" if failed else ""),
        f"{between.rate('headrace_tokens_total', kind='completion'):.0f}",
        f"{between.rate('headrace_events_appended_total'):.0f}",
    )
    return table


def _over_queues(between: Between, name: str) -> float:
    """Every gateway sees the same queues: of each the largest, and the sum of those."""
    return sum(between.now.most(name, queue=queue) for queue in between.now.values(name, "queue"))


def _latencies(between: Between) -> RenderableType:
    table = _table("", "p50", "p95", "p99")
    for title, histogram in (
        ("first word", "headrace_ttft_seconds"),
        ("wait for a worker", "headrace_queue_wait_seconds"),
        ("upstream's first delta", "headrace_upstream_ttft_seconds"),
        ("delay of an event", "headrace_relay_delay_seconds"),
    ):
        table.add_row(title, *(_seconds(between.quantile(of, histogram)) for of in (0.5, 0.95, 0.99)))
    return table


def _processes(between: Between, gateways: Sequence[str], workers: Sequence[str]) -> RenderableType:
    table = _table("process", "", "cpu", "memory", "streams", "running")
    for kind, addresses in (("gateway", gateways), ("worker", workers)):
        for address in addresses:
            if address not in between.now.pages:
                table.add_row(f"{kind} {address}", Text("down", style="bold red"), "", "", "", "")
                continue
            one, here = between.now, [address]
            table.add_row(
                f"{kind} {address}",
                Text("up", style="green"),
                f"{100 * between.rate('process_cpu_seconds_total', here):.0f} %",
                f"{one.total('process_resident_memory_bytes', here) / 1e6:.0f} MB",
                f"{one.total('headrace_open_streams', here):.0f}" if kind == "gateway" else "",
                f"{one.total('headrace_generations_running', here):.0f}" if kind == "worker" else "",
            )
    return table


def _primaries(between: Between) -> RenderableType:
    """Of the broker, as the gateways see them: one that any of them misses is down."""
    table = _table("primary", "", "memory", "cells")
    now = between.now
    for primary in now.values("headrace_broker_answers", "primary"):
        is_up = now.least("headrace_broker_answers", primary=primary) > 0
        used = now.most("headrace_broker_memory_bytes", primary=primary)
        table.add_row(
            primary,
            Text("up", style="green") if is_up else Text("down", style="bold red"),
            f"{used / 1e6:.0f} MB" if used else "",
            f"{now.most('headrace_broker_cells', primary=primary):.0f}",
        )
    return table


def _upstreams(between: Between) -> RenderableType:
    table = _table("model", "upstream", "", "requests/s", "failed/s", "first delta p95")
    requests = "headrace_upstream_requests_total"
    for model in between.now.values(requests, "model"):
        for upstream in between.now.values("headrace_upstream_open", "upstream"):
            of = {"model": model, "upstream": upstream}
            if not any(
                set(of.items()) <= has
                for page in between.now.pages.values()
                for has in page.get(requests, {})
            ):
                continue
            is_open = between.now.most("headrace_upstream_open", **of) > 0
            well = sum(between.rate(requests, **of, outcome=outcome) for outcome in ("ok", "closed"))
            every = between.rate(requests, **of)
            table.add_row(
                model,
                upstream,
                Text("left alone", style="bold red") if is_open else Text("well", style="green"),
                f"{every:.1f}",
                f"{every - well:.1f}",
                _seconds(between.quantile(0.95, "headrace_upstream_ttft_seconds", model=model)),
            )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, min_width=24, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", min_width=9, no_wrap=True)
    return table


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
