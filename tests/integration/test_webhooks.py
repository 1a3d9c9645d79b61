"""Webhooks on the end of responses in the background: signed, told again until heard, never lost."""

import base64
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI, InvalidWebhookSignatureError

from gateway.dialects.openai.webhooks import event_of, signed
from shared.hooks import Hooks
from tests.conftest import OpenClient
from tests.kit.chat_client import script
from tests.kit.eventually import eventually
from tests.kit.local import Local

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


class Receiver:
    """A server that hears webhooks, and answers with `statuses` in turn, then with 200."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def hear(self, request: web.Request) -> web.Response:
        """One call."""
        self.heard.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def events(self) -> list[dict[str, Any]]:
        """What was told."""
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """It listens."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def openai(local: Local, open_client: OpenClient, receiver: Receiver) -> AsyncOpenAI:
    """OpenAI's client of a gateway that tells it."""
    url = await local.start(webhook_url=receiver.url, webhook_secret=SECRET, webhook_retry_s=0.05)
    return open_client(url)


def waiting(local: Local) -> int:
    """Ends that are still to be told."""
    return int(local.redis.zcard("hr:hooks"))


async def test_every_end(local: Local, openai: AsyncOpenAI, receiver: Receiver) -> None:
    """Each way to end has its event, which the published client verifies; other responses are not told."""
    await openai.responses.create(model="scripted", input="Hello")
    ids: dict[str, str] = {}
    ways: dict[str, dict[str, Any]] = {
        "completed": {},
        "incomplete": {"max_output_tokens": 2},
        "failed": {"input": script(fail_after=0, fail_code="upstream_rejected")},
        "cancelled": {"input": script(stall_after=1)},
    }
    for kind, fields in ways.items():
        asked: dict[str, Any] = {"model": "scripted", "input": "Hello", "background": True, **fields}
        ids[kind] = (await openai.responses.create(**asked)).id
    await openai.responses.cancel(ids["cancelled"])
    await eventually(lambda: len(receiver.heard) == len(ids), "all are told")
    told = {event["type"]: event["data"]["id"] for event in receiver.events()}
    assert told == {f"response.{kind}": response_id for kind, response_id in ids.items()}
    for headers, body in receiver.heard:
        openai.webhooks.unwrap(body.decode(), headers, secret=SECRET)
        with pytest.raises(InvalidWebhookSignatureError):
            openai.webhooks.unwrap(body.decode() + " ", headers, secret=SECRET)
    await eventually(lambda: not waiting(local), "nothing is left to tell")


async def test_told_again_until_it_is_heard(local: Local, openai: AsyncOpenAI, receiver: Receiver) -> None:
    """A receiver that refuses is told again, by the same id, by any gateway; redirects are no answer."""
    receiver.statuses = [500, 302, 404]
    await openai.responses.create(model="scripted", input="Hello", background=True)
    await eventually(lambda: bool(receiver.heard) and not waiting(local), "it is told until it is heard")
    assert len(receiver.heard) == 4
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1


async def test_left_alone_longer_each_time(local: Local) -> None:
    """The wait after a try is twice that of the one before, up to an hour."""
    await local.start(worker=False)
    local.redis.hset("hr:gen:gen_x", "state", "done")
    local.redis.expire("hr:gen:gen_x", 60)
    local.redis.zadd("hr:hooks", {"gen_x": 0})
    waits: list[float] = []
    for _ in range(5):
        before = local.redis.zscore("hr:hooks", "gen_x")
        due = await Hooks(local.state.broker).take(1000)
        assert due is not None and due.tries == len(waits) + 1
        assert local.redis.pttl("hr:hooks") > 0
        seconds, micros = local.redis.time()
        waits.append((local.redis.zscore("hr:hooks", "gen_x") - seconds * 1000 - micros / 1000) / 1e6)
        local.redis.zadd("hr:hooks", {"gen_x": before})
    assert waits == pytest.approx([1, 2, 3.6, 3.6, 3.6], abs=0.05)
    await Hooks(local.state.broker).told("gen_x")


async def test_nobody_is_there(local: Local, open_client: OpenClient, receiver: Receiver) -> None:
    """What no gateway could tell is written down, and told by the next that can."""
    nowhere = "http://127.0.0.1:9/hook"
    url = await local.start(webhook_url=nowhere, webhook_secret=SECRET, webhook_retry_s=0.05)
    made = await open_client(url).responses.create(model="scripted", input="Hello", background=True)
    await eventually(lambda: waiting(local) == 1, "it is written down")
    await local.add_gateway(webhook_url=receiver.url, webhook_secret=SECRET, webhook_retry_s=0.05)
    await eventually(lambda: bool(receiver.heard), "the other tells it")
    assert receiver.events()[0]["data"] == {"id": made.id}


async def test_what_is_forgotten_is_not_told(local: Local, open_client: OpenClient) -> None:
    """A response that was deleted before it could be told is let go."""
    nowhere = "http://127.0.0.1:9/hook"
    url = await local.start(webhook_url=nowhere, webhook_secret=SECRET, webhook_retry_s=0.05)
    client = open_client(url)
    made = await client.responses.create(model="scripted", input="Hello", background=True)
    await eventually(lambda: waiting(local) == 1, "it is written down")
    await client.responses.delete(made.id)
    assert not local.redis.keys(f"*{made.id.removeprefix('resp_')}"), "neither its record nor its log"
    await eventually(lambda: waiting(local) == 0, "it is let go")


@pytest.mark.parametrize(
    ("state", "finish_reason", "kind"),
    [
        ("done", "stop", "completed"),
        ("done", "tool_calls", "completed"),
        ("done", "length", "incomplete"),
        ("done", "content_filter", "incomplete"),
        ("failed", None, "failed"),
        ("cancelled", "cancelled", "cancelled"),
    ],
)
def test_what_an_end_is_called(state: str, finish_reason: str | None, kind: str) -> None:
    """By how the response ended."""
    ended: Any = SimpleNamespace(
        id="gen_1", state=state, finish_reason=finish_reason, ended_ms=2000, created_ms=1
    )
    event = json.loads(event_of(ended))
    assert (event["type"], event["created_at"], event["data"]) == (f"response.{kind}", 2, {"id": "resp_1"})


def test_a_known_signature() -> None:
    """The example of the Standard Webhooks specification."""
    headers = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_address_needs_a_secret(local: Local) -> None:
    """Nothing is ever told unsigned."""
    for wrong in ({"webhook_url": "https://x.org"}, {"webhook_url": "x.org"}, {"webhook_secret": "whsec_%"}):
        with pytest.raises(ValueError, match="webhook"):
            local.settings(**wrong)
