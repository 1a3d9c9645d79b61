"""Ten minutes of silence through each of the proxies of `deploy/proxies`, with default settings."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.kit.broker import EmbeddedBroker
from tests.kit.certificates import make_certificates
from tests.kit.chat_client import script
from tests.kit.proxies import FILES, Proxy
from tests.kit.room_client import MemberClient, member
from tests.kit.stack import MODELS, Stack

_SILENCE_S = 600
_PATIENCE_S = _SILENCE_S + 60
#: For so long nothing comes of its answers.
_PATIENT = f"""
[models.patient]
backend = "scripted"
first_token_timeout_s = 900
total_timeout_s = 900
parameters = {{ rate = 0, length = 5, first_token_delay_s = {_SILENCE_S + 5} }}
"""


@pytest.mark.long
@pytest.mark.timeout(_SILENCE_S + 120)
async def test_six_hundred_seconds(own_broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A stream, a whole answer and a room are silent for ten minutes, and go on."""
    certificates = make_certificates(tmp_path, "server")
    stack = Stack(
        own_broker,
        tmp_path,
        models=MODELS + _PATIENT,
        trusted_proxies="127.0.0.1",
        allow_anonymous=True,
    )
    proxies = [Proxy(name, tmp_path / name, certificates) for name in FILES]
    try:
        await stack.begin(gateways=2)
        for proxy in proxies:
            proxy.start((stack.gateways[0].port, stack.gateways[1].port))
        await asyncio.gather(*(silence(proxy) for proxy in proxies))
        await stack.settle()
    finally:
        for proxy in proxies:
            proxy.stop()
        stack.stop()


async def silence(proxy: Proxy) -> None:
    """Ten minutes of it through *proxy*."""
    async with (
        proxy.http2() as (_, chat),
        proxy.http1() as tls,
        member(tls, proxy.url, f"silent-{proxy.name}", "ann") as ann,
        await chat.send(model="patient") as reader,
    ):
        listening = asyncio.create_task(answered(ann))
        assert await completed(tls, proxy) == "stop"
        await reader.all(_PATIENCE_S)
        assert reader.end.type == "end"
        assert len(reader.comments) >= _SILENCE_S // 15 - 2
        await ann.say(script(length=2))
        await listening


async def completed(tls: ClientSession, proxy: Proxy) -> str:
    """Wait for a whole answer; gives why it ended."""
    body = {"model": "patient", "messages": [{"role": "user", "content": "Hello"}]}
    late = ClientTimeout(total=_PATIENCE_S)
    async with tls.post(f"{proxy.url}/v1/chat/completions", json=body, timeout=late) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["choices"][0]["finish_reason"])


async def answered(member: MemberClient) -> None:
    """Returns once a reply in the room has ended, answering pings meanwhile."""
    while (await member.socket.receive_json())["type"] != "stream_end":
        pass
