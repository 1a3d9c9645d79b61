"""`/metrics`: every family of `shared/metrics.py`, and never a label that grows with use."""

import re

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from shared import keys
from shared.cluster import named
from tests.integration.test_every_metric import metrics_of_ours
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local
from tests.kit.stack import Stack
from tests.kit.wire import Wire

ALLOWED_LABELS = {
    *(
        "model",
        "upstream",
        "dialect",
        "outcome",
        "code",
        "kind",
        "reason",
        "policy",
        "result",
        "queue",
        "command",
    ),
    *("route", "status", "what", "le", "priority", "limit", "primary", "tenant"),
    *("version", "commit", "python"),
}


@pytest.mark.parametrize("side", ["gateways", "workers"])
async def test_families_and_labels(stack: Stack, chat: ChatClient, session: ClientSession, side: str) -> None:
    """Both processes expose all promised families; labels are of small closed sets, never an id."""
    reader = await chat.ask(script(length=3), conversation_id="conversation-of-metrics")
    async with await chat.send(script(length=1000, rate=50)) as running:
        await running.until("chunk")
        await chat.cancel(running.generation_id)
    seen = set()
    for program in getattr(stack, side):
        async with session.get(program.url + "/metrics") as response:
            page = await response.text()
        for identifier in (reader.generation_id, running.generation_id, "conversation-of-metrics"):
            assert identifier not in page
        for family in text_string_to_metric_families(page):
            seen.add(family.name)
            for sample in family.samples:
                if family.name.startswith("headrace_"):
                    assert set(sample.labels) <= ALLOWED_LABELS, sample
                    assert not any(re.search(r"gen_|conv_|[0-9a-f]{16}", v) for v in sample.labels.values())
    promised = {family.name for metric in metrics_of_ours().values() for family in metric.collect()}
    assert promised <= seen  # that each counts: test_every_metric.py


async def test_what_is_rare_begins_at_zero(stack: Stack, session: ClientSession) -> None:
    """Of what first appears as one, Prometheus sees no rise, and an alert on it would miss the first."""
    async with session.get(stack.gateways[1].url + "/metrics") as response:
        page = await response.text()
    for series in (
        'headrace_http_requests_total{route="/api/chat/{generation_id}",status="500"}',
        'headrace_limited_total{limit="cost_month"}',
        'headrace_generation_errors_total{code="worker_lost",model="scripted"}',
    ):
        assert series in page


async def test_a_workers_port_decodes_no_body(stack: Stack) -> None:
    """Whatever encoding a body says it has costs nothing: its connection goes on, and a bomb stays packed."""
    async with Wire(stack.workers[0].port) as wire:
        for _ in range(2):
            answer = await wire.ask("GET", "/livez", "Content-Encoding: gzip", body=b"no gzip")
            assert answer.status == 200


async def test_what_happened_is_counted(stack: Stack, chat: ChatClient, session: ClientSession) -> None:
    """A finished generation shows in tokens, outcomes and latencies."""
    before = await totals(stack, session)
    await chat.ask(script(length=7))
    after = await totals(stack, session)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown("headrace_generations_created_total") == 1
    assert grown("headrace_generations_ended_total") == 1
    assert grown("headrace_events_appended_total") == 9
    assert grown("headrace_ttft_seconds_count") == 1
    assert grown("headrace_queue_wait_seconds_count") == 1
    assert grown("headrace_generation_duration_seconds_count") == 1
    assert grown("headrace_relay_delay_seconds_count") >= 1
    assert after["headrace_open_streams"] == 0


def ended(outcome: str) -> float:
    """How many generations this process has seen end so."""
    value = REGISTRY.get_sample_value(
        "headrace_generations_ended_total", {"model": "scripted", "outcome": outcome}
    )
    return value or 0.0


async def test_an_end_without_a_worker_is_counted_once(local: Local, session: ClientSession) -> None:
    """What the gateway ends, stopped in the queue or while it waits or given up, counts as any end."""
    await local.start(worker=False, heartbeat_s=0.2, queue_timeout_s=0.5)
    chat = ChatClient(session, local.url)
    cancelled, failed = ended("cancelled"), ended("failed")
    stopped = await chat.send(conversation_id="c1")
    waiting = await chat.send(conversation_id="c1", on_busy="queue")
    for reader in (waiting, stopped):
        assert (await chat.cancel(reader.generation_id)).body["status"] == "cancelled"
        assert (await chat.cancel(reader.generation_id)).body["status"] == "already_ended"
    assert ended("cancelled") == cancelled + 2
    for path in ("/api/conversations/c2", "/v1/conversations/c2"):
        deleted = await chat.send(conversation_id="c2")
        await chat.call("DELETE", path)
        assert (await deleted.all())[-1].data["metadata"]["finish_reason"] == "cancelled"
    assert ended("cancelled") == cancelled + 4
    given_up = await chat.ask()
    assert given_up.end.data["metadata"]["code"] == "queue_timeout"
    assert ended("failed") == failed + 1


async def test_a_primary_that_answers_half(local: Local, session: ClientSession) -> None:
    """What was known of its queues is not shown any longer, as if it were so still."""
    chat = ChatClient(session, await local.start(worker=False))
    primary = {"primary": named(local.state.broker.home(local.state.broker.cells.home))}

    async def scraped() -> tuple[float | None, float | None]:
        await chat.call("GET", "/metrics")
        waiting = REGISTRY.get_sample_value("headrace_queue_depth", {"queue": "scripted"})
        return REGISTRY.get_sample_value("headrace_broker_answers", primary), waiting

    async with await chat.send() as reader:
        await reader.until("queued")
        assert await scraped() == (1.0, 1.0)
        queue = local.state.broker.cells.home.key(keys.QUEUE, "scripted")
        local.redis.rename(queue, "kept")
        local.redis.set(queue, "of another kind")
        assert await scraped() == (0.0, None)
        local.redis.rename("kept", queue)
        assert await scraped() == (1.0, 1.0)
        await chat.cancel(reader.generation_id)


async def totals(stack: Stack, session: ClientSession) -> dict[str, float]:
    """Every sample summed over labels and processes."""
    sums: dict[str, float] = {}
    for program in stack.gateways + stack.workers:
        async with session.get(program.url + "/metrics") as response:
            page = await response.text()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums
