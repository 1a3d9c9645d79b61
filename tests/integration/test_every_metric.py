"""Every metric of `shared/metrics.py` counts: something that happens, and is not waited for, moves it."""

from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import Gauge

from shared import generations, keys, metrics
from shared.clock import BrokerClock
from shared.counting import Counter, Histogram
from shared.errors import BrokerRefused
from tests.kit.api_keys import make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.stack import MODELS, upstream_model
from tests.kit.upstream import FakeUpstream
from tests.kit.wire import Wire
from worker import producer

#: Two upstreams, of which the first is silent, or breaks off.
TWO = """
[models.silent]
hedge_after_s = 0.05
prices = {{ prompt = 1, completion = 1 }}
[[models.silent.upstreams]]
backend = "scripted"
parameters = {{ first_token_delay_s = 60 }}
[[models.silent.upstreams]]
base_url = "{url}"
[models.broken]
[[models.broken.upstreams]]
backend = "scripted"
parameters = {{ rate = 0, length = 10, fault = "reset", fault_at = 3 }}
[[models.broken.upstreams]]
base_url = "{url}"
can_continue = true
"""

ENDLESS = script(length=1000, rate=50)
SILENT = script(first_token_delay_s=60)


def metrics_of_ours() -> dict[str, Counter | Gauge | Histogram]:
    """Each by its name in the module."""
    found = {
        name: value for name, value in vars(metrics).items() if isinstance(value, (Counter, Gauge, Histogram))
    }
    assert len(found) > 25
    return found


def level(metric: Counter | Gauge | Histogram) -> float:
    """How much it has counted in all, whatever the labels; of a gauge what it shows."""
    [family] = metric.collect()
    return sum(s.value for s in family.samples if not s.name.endswith(("_created", "_bucket", "_sum")))


def levels(metric: Counter | Gauge | Histogram) -> dict[str, float]:
    """The same by the values of its labels."""
    [family] = metric.collect()
    return {
        " ".join(s.labels.values()): s.value
        for s in family.samples
        if not s.name.endswith(("_created", "_bucket", "_sum"))
    }


def seconds(metric: Histogram) -> float:
    """All that it has observed, together."""
    [family] = metric.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_sum"))


class Moves:
    """Which metrics have moved since; `expect` names those that what follows must move."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._before: dict[str, float] = {}
        self._by_label: dict[str, dict[str, float]] = {}

    def begin(self) -> None:
        """From now on."""
        self._before = {name: level(metric) for name, metric in metrics_of_ours().items()}
        self._by_label = {name: levels(metric) for name, metric in metrics_of_ours().items()}

    def of(self, name: str) -> dict[str, float]:
        """By how much that one has moved, by its labels."""
        before, now = self._by_label[name], levels(metrics_of_ours()[name])
        moved = {labels: value - before.get(labels, 0) for labels, value in now.items()}
        return {labels: by for labels, by in moved.items() if by}

    async def come_to(self, **moved: dict[str, float]) -> None:
        """Each of these moves by so much, and by no more."""
        await eventually(
            lambda: all(self.of(name) == by for name, by in moved.items()),
            lambda: f"they move by that: { ({name: self.of(name) for name in moved}) }",
        )

    def have(self, *names: str) -> bool:
        """Whether all of these have moved; they are seen from then on."""
        ours = metrics_of_ours()
        moved = {name for name in names if level(ours[name]) > self._before[name]}
        self.seen |= moved
        return len(moved) == len(names)


async def test_every_metric_counts(
    local: Local, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None that the module has is forgotten."""
    monkeypatch.setattr(producer, "_BACKOFF_S", 0.01)
    moves = Moves()
    async with FakeUpstream() as upstream:
        models = MODELS + upstream_model(upstream.url, ends_unsaid=True) + TWO.format(url=upstream.url)
        options: dict[str, Any] = {
            "lease_s": 0.6,
            "heartbeat_s": 0.2,
            "abandon_grace_s": 0,
            "metrics_port": 0,
        }
        await local.start(models, **options)
        chat = ChatClient(session, local.url)
        await answered(local, chat, moves)
        await stopped(chat, moves)
        await failed(chat, moves)
        await waited(local, chat, moves)
        await lost(local, chat, moves)
        await refused(local, chat, moves)
        await fell_behind(local, session, moves)
        await not_replicated(local, session, moves)
        await no_room(local, moves)
        await not_let_in(local, session, moves)
    clock = BrokerClock(local.state.broker, *local.state.broker.cells)
    moves.begin()
    clock._notice(1000, 0, 0.001)
    clock._notice(1060, 1, 1.001)
    assert moves.have("broker_clock_steps")
    assert set(metrics_of_ours()) - moves.seen == set()


async def answered(local: Local, chat: ChatClient, moves: Moves) -> None:
    """One that is read, and read again, also from its end, and when it is gone."""
    moves.begin()
    between, delayed = seconds(metrics.inter_token), seconds(metrics.relay_delay)
    async with await chat.send(script(length=30, rate=60)) as reader:
        await reader.until("chunk", 2)
        assert moves.have("open_streams", "generations_running", "ttft", "upstream_ttft", "queue_wait")
        await reader.all()
    async with await chat.resume(reader.generation_id) as again:
        await again.all()
    path = f"/api/chat/{reader.generation_id}/stream"
    assert (await chat.call("GET", path, headers={"Last-Event-ID": reader.ids[-1]})).status == 204
    local.redis.delete(keys.LOG + reader.generation_id)
    assert (await chat.call("GET", path)).status == 410
    assert (await chat.call("GET", "/api/chat/gen_nobody/stream")).status == 404
    assert moves.have("generations_created", "relay_delay", "inter_token", "events_appended", "append_batch")
    assert moves.have("redis_round_trips", "requests", "attempts", "resumes")
    counted = ("generations_ended", "generation_duration", "tokens")
    await eventually(lambda: moves.have(*counted), "the worker has counted it")
    usage = reader.end.data["metadata"]["usage"]
    await moves.come_to(
        generations_created={"scripted native": 1},
        generations_ended={"scripted done": 1},
        generations_running={},
        attempts={"scripted first": 1},
        tokens={"scripted prompt": usage["prompt_tokens"], "scripted completion": usage["completion_tokens"]},
        ttft={"scripted native": 2},
        upstream_ttft={"scripted": 1},
        upstream_requests={"scripted 1 ok": 1},
        resumes={"ok": 1, "finished": 1, "gone": 1, "not_found": 1},
        open_streams={},
    )
    assert seconds(metrics.inter_token) - between < 2, "from one delta to the next"
    assert seconds(metrics.relay_delay) - delayed < 2


async def stopped(chat: ChatClient, moves: Moves) -> None:
    """One that its owner stops, one that nobody reads."""
    moves.begin()
    async with await chat.send(ENDLESS) as reader:
        await reader.until("chunk")
        await chat.cancel(reader.generation_id)
    async with await chat.send(ENDLESS, on_disconnect="cancel") as reader:
        await reader.until("chunk")
    await eventually(lambda: moves.have("cancels", "cancel_latency", "abandonments"), "they are counted")
    await moves.come_to(
        cancels={"user": 1, "abandoned": 1},
        abandonments={"cancel": 1},
        generations_ended={"scripted cancelled": 2},
        generations_running={},
        upstream_requests={"scripted 1 closed": 2},
    )


async def failed(chat: ChatClient, moves: Moves) -> None:
    """One that its model server fails, three times, and one that it ends without a word."""
    moves.begin()
    await chat.ask(script(length=1, pictures=1))
    await chat.ask(script(status=500), model="upstream")
    await chat.ask(script(finish_reason=None, done=False), model="upstream")
    await chat.ask(model="silent")
    for _ in range(3):
        await chat.ask(model="broken")
    counted = (
        "generation_errors",
        "upstream_retries",
        "ends_unsaid",
        "upstream_requests",
        "hedges",
        "cost",
        "pictures",
    )
    assert moves.have("hand_overs", "upstream_open")
    await eventually(lambda: moves.have(*counted), "it is counted")
    await moves.come_to(
        attempts={
            "scripted first": 1,
            "upstream first": 4,
            "silent first": 1,
            "broken first": 3,
            "broken continued": 3,
        },
        generation_errors={"upstream upstream_failed": 1},
        generations_ended={
            "scripted done": 1,
            "upstream failed": 1,
            "upstream done": 1,
            "silent done": 1,
            "broken done": 3,
        },
        upstream_retries={"upstream": 2, "broken": 3},
        ends_unsaid={"upstream": 1},
        hedges={"silent": 1},
        hand_overs={"broken upstream_broke": 3},
        pictures={"kept": 1},
        upstream_requests={
            "scripted 1 ok": 1,
            "upstream 1 upstream_failed": 3,
            "upstream 1 ok": 1,
            "silent 1 closed": 1,
            "silent 2 ok": 1,
            "broken 1 upstream_broke": 3,
            "broken 2 ok": 3,
        },
    )


async def waited(local: Local, chat: ChatClient, moves: Moves) -> None:
    """One that is silent, and one that waits for a worker while somebody looks at the metrics."""
    # Other tests of this process may have looked too.
    of_primaries = "broker_answers", "broker_memory", "broker_memory_limit", "broker_cells"
    of_queues = "queue_depth", "queue_oldest_age"
    for name in (*of_primaries, *of_queues):
        getattr(metrics, name).clear()
    moves.begin()
    async with await chat.send(SILENT) as reader:
        await eventually(lambda: moves.have("heartbeats"), "its reader gets a heartbeat")
        await chat.cancel(reader.generation_id)
    await local.stop_worker()
    async with await chat.send() as reader:
        await reader.until("queued")

        async def shown() -> bool:
            await chat.call("GET", "/metrics")
            return moves.have(*of_queues)

        await eventually(shown, "it is seen to wait")
        local.redis.config_set("maxmemory", "4gb")
        await chat.call("GET", "/metrics")
        assert moves.have(*of_primaries)
        local.redis.config_set("maxmemory", 0)
        await chat.cancel(reader.generation_id)
    await moves.come_to(cancels={"user": 2}, generations_ended={"scripted cancelled": 2})
    await local.start_worker(lease_s=0.6)


async def lost(local: Local, chat: ChatClient, moves: Moves) -> None:
    """Two whose leases another worker has: one learns it as it writes, one as it renews."""
    moves.begin()
    for message, lost in ((ENDLESS, 0), (SILENT, 9)):
        async with await chat.send(message) as reader:
            await reader.until("start")
            taken = {"lease": "9:z", "attempt": 9, "lost": lost}
            local.redis.hset(keys.RECORD + reader.generation_id, mapping=taken)
    await eventually(lambda: moves.have("fenced_appends", "leases_lost"), "both are fenced")
    for generation_id in local.redis.zrange(keys.QUEUE + "scripted", 0, -1):
        local.redis.zadd(keys.QUEUE + "scripted", {generation_id: 1})
    await eventually(lambda: moves.have("takeovers"), "both are taken over")
    await moves.come_to(takeovers={"scripted": 2}, generation_errors={"scripted attempts_exhausted": 1})
    assert moves.of("attempts")["scripted exhausted"] == 1


async def refused(local: Local, chat: ChatClient, moves: Moves) -> None:
    """A key of another kind, a push that is none, and one that is too far ahead."""
    moves.begin()
    local.redis.set(keys.RECORD + "gen_x", "another kind", px=1000)
    with pytest.raises(BrokerRefused):
        await local.state.generations.load("gen_x")
    local.redis.delete(keys.RECORD + "gen_x")
    assert moves.have("redis_failures")
    async with await chat.send(ENDLESS) as reader:
        await reader.until("chunk")
        local.redis.publish(keys.LIVE + reader.generation_id, b"no position")
        await eventually(lambda: moves.have("skipped"), "it is skipped")

        async def healed() -> bool:
            channel, ahead = keys.LIVE + reader.generation_id, b'1-999 {"type":"text","ts":1,"text":"x"}'
            local.redis.publish(channel, ahead)
            await reader.until("chunk", 2)
            return moves.have("gaps_healed")

        await eventually(healed, "the gap is healed")
        await chat.cancel(reader.generation_id)


async def not_let_in(local: Local, session: ClientSession, moves: Moves) -> None:
    """A key that opens nothing, one that has asked for all it may, one that would wait too long."""
    moves.begin()
    pace = f"{keys.PACE}scripted"
    local.redis.hset(pace, mapping={"at": 1, "ms": 1_000_000, "left": 1})
    local.redis.zadd(f"{keys.QUEUE}scripted", {"gen_waits": 1})
    assert (await ChatClient(session, local.url).submit()).error["code"] == "overloaded"
    local.redis.delete(pace, f"{keys.QUEUE}scripted")
    assert moves.have("shed")
    wrong = ChatClient(session, local.url, "hr_" + "0" * 12 + "_" + "0" * 50)
    assert (await wrong.call("GET", "/v1/models")).status == 401
    key = await make_key(local, limits={"requests_per_minute": 1})
    for _ in range(2):
        await ChatClient(session, local.url, key).call("GET", "/v1/models")
    assert moves.have("refused_askers", "limited", "tenant_requests")
    asks = ChatClient(session, local.url, await make_key(local))
    await asks.ask(script(length=2), model="silent")
    await asks.call("GET", "/api/usage")
    assert moves.have("tenant_tokens", "tenant_cost")


async def fell_behind(local: Local, session: ClientSession, moves: Moves) -> None:
    """A reader whose buffer has no room for what comes at once."""
    moves.begin()
    chat = ChatClient(session, await local.add_gateway(subscriber_buffer_bytes=1))
    async with await chat.send(script(length=200, rate=1000, batch=20)) as reader:
        await reader.all()
    assert moves.have("slow_subscribers")


async def not_replicated(local: Local, session: ClientSession, moves: Moves) -> None:
    """A replica that is wanted and is not there."""
    moves.begin()
    settings: dict[str, Any] = {"min_replicas": 1, "replication_timeout_s": 0.05}
    chat = ChatClient(session, await local.add_gateway(**settings))
    await chat.ask(script(length=1))
    assert moves.have("unreplicated")

    async def lost(*_: Any) -> None:
        """A failover has taken with it what was accepted."""

    with pytest.MonkeyPatch.context() as failover:
        failover.setattr(generations, "replicated", lost)
        assert (await chat.submit()).error["code"] == "unavailable"


async def no_room(local: Local, moves: Moves) -> None:
    """A connection, and one more than there is room for."""
    port = int((await local.add_gateway(max_connections=1)).rpartition(":")[2])
    moves.begin()
    async with Wire(port) as wire, Wire(port) as refused:
        assert (await wire.ask("GET", "/livez")).status == 200
        assert moves.have("connections")
        assert (await refused.answer()).status == 503
    assert moves.have("connections_refused")
