"""`headrace doctor` on real parts: what is well is said to be, each fault is found, and says what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from deploy.doctor import broker, gateway
from deploy.doctor.findings import Finding
from tests.kit.broker import EmbeddedBroker
from tests.kit.command import said_by
from tests.kit.local import Local
from tests.kit.program import free_port
from tests.kit.stack import MODELS, upstream_model

#: A default model that takes its time over any answer.
PACED = MODELS.replace("rate = 0, length = 20", "rate = 20, length = 20", 1)


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedBroker, Local]]:
    """A broker with all that it should have, and a gateway with a worker."""
    broker = EmbeddedBroker()
    broker.start()
    broker.client(0).config_set("maxmemory", "256mb")
    local = Local(broker, 0, tmp_path)
    await local.start(PACED, metrics_port=0)
    yield broker, local
    await local.close()
    broker.remove()


async def examined(local: Local, *options: str, **settings: object) -> tuple[int, str]:
    """What the doctor says of *local*, with these *settings* beside its own."""
    ours: dict[str, Any] = {"models": local._models_file, **local._broker, **settings}
    urls = () if "--url" in options else ("--url", local.url)
    code, said = await said_by("doctor", *urls, *options, **ours)
    return code, " ".join(said.split())


async def test_all_is_well(own: tuple[EmbeddedBroker, Local], session: ClientSession) -> None:
    """Settings, broker, gateway, streaming and upstreams; what was asked for it is in nobody's history."""
    _, local = own
    code, said = await examined(local)
    assert code == 0, said
    assert "WRONG" not in said
    for good in ("Valkey", "an append-only file", "noeviction", "of 268 MB", "as they were made", "scripted"):
        assert good in said
    assert await titles(session, local) == []


async def titles(session: ClientSession, local: Local) -> list[str]:
    """Of the conversations that are there."""
    async with session.get(f"{local.url}/api/conversations") as response:
        return [each["title"] for each in (await response.json())["conversations"]]


async def test_a_reply_that_does_not_end(
    own: tuple[EmbeddedBroker, Local], session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway is not said to be away: it answers, and waits; its reply is stopped."""
    _, local = own
    monkeypatch.setattr(gateway, "_TIMEOUT", ClientTimeout(total=0.6))
    *well, streaming = await gateway.look(local.url, None)
    assert {finding.level for finding in well} == {"good"}
    assert (streaming.level, streaming.says) == ("wrong", "a short reply had not ended after 1 s")
    assert await titles(session, local) == []


async def test_nothing_to_look_at(tmp_path: Path) -> None:
    """Whoever has neither started nor set anything is told how to begin, not which setting is missing."""
    code, said = await said_by("doctor", cwd=tmp_path)
    assert code == 1
    assert "start `headrace up`" in said and "HEADRACE_REDIS_URL" in said
    assert "no models are configured" not in said


async def test_what_is_wrong_and_what_to_do(own: tuple[EmbeddedBroker, Local]) -> None:
    """A broker that evicts and forgets, replicas and a gateway that are missing, a dead upstream."""
    broker, local = own
    for name, value in (("maxmemory-policy", "allkeys-lru"), ("appendonly", "no"), ("maxmemory", "0")):
        broker.client(0).config_set(name, value)
    local._models_file.write_text(MODELS + upstream_model(f"http://127.0.0.1:{free_port()}/v1"))
    code, said = await examined(local, "--url", f"http://127.0.0.1:{free_port()}", min_replicas=1)
    assert code == 1
    for wrong, do in (
        ("allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
        ("HEADRACE_MIN_REPLICAS wants 1", "bring them back"),
        ("does not answer", "give its address with --url"),
        ("upstream_refused", "RUNBOOK"),
    ):
        assert wrong in said
        assert do in said
    assert said.count("WRONG") == 4
    for minded in ("no append-only file", "without a limit"):
        assert minded in said


async def test_a_broker_that_will_not_do(own: tuple[EmbeddedBroker, Local]) -> None:
    """A user who may not do all that is needed, nobody at that address, settings that cannot be."""
    broker, local = own
    admin: Any = broker.client(0)
    admin.execute_command("ACL", "SETUSER", "poor", "on", ">x", "~hr:*", "&hr:*", "+@all", "-zadd")
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    asked: list[tuple[dict[str, object], str]] = [
        ({"redis_url": f"{broker.url()}&username=poor&password=x"}, "user may not do all"),
        ({"redis_url": nobody}, "does not answer"),
        ({"lease_s": -1}, "HEADRACE_LEASE_S"),
    ]
    answers = await asyncio.gather(
        *(
            examined(local, "--no-upstreams", "--url", "http://127.0.0.1:9", **settings)
            for settings, _ in asked
        )
    )
    for (code, said), (_, says) in zip(answers, asked, strict=True):
        assert (code, says in said) == (1, True), said


async def test_a_proxy_that_gathers_the_stream_up(
    own: tuple[EmbeddedBroker, Local], session: ClientSession
) -> None:
    """It is told from one that passes each piece on, and the cure is named."""
    _, local = own

    async def gathered(request: web.Request) -> web.Response:
        body = await request.read()
        async with session.request(
            request.method,
            local.url + request.path_qs,
            data=body or None,
            headers={"Content-Type": "application/json"},
        ) as answer:
            return web.Response(
                body=await answer.read(), status=answer.status, content_type=answer.content_type
            )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gathered)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        code, said = await examined(
            local, "--no-upstreams", "--url", f"http://127.0.0.1:{runner.addresses[0][1]}"
        )
    finally:
        await runner.cleanup()
    assert (code, "something gathers it up" in said, "proxy_buffering off" in said) == (1, True, True), said
    # It would keep from the gateway that a client has left: deploy/proxies/Caddyfile.
    assert "flush_interval" not in said


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (broker._clock("b", -3.0), "mind"),
        (broker._clock("b", 3.0), "mind"),
        (broker._clock("b", -1.0), "good"),
        (broker._memory("b", {"used_memory": 81, "maxmemory": 100}), "mind"),
        (broker._memory("b", {"used_memory": 80, "maxmemory": 100}), "good"),
        (broker._persistence("b", {"aof_enabled": 1, "aof_last_write_status": "err"}), "wrong"),
        (broker._version("b", {"redis_version": "6.0.20"}), "wrong"),
        (broker._version("b", {"redis_version": "6.2.0"}), "good"),
        (broker._version("b", {"valkey_version": "7.2.4", "redis_version": "5.0.0"}), "good"),
    ],
)
def test_what_may_be(finding: Finding, level: str) -> None:
    """A clock that is ahead or behind, a broker that is nearly full, or writes nothing, or is too old."""
    assert finding.level == level
