"""RFC 6455, by Autobahn's own cases, against a gateway's WebSockets: its connections, middlewares and all."""

import pytest
from aiohttp import WSMsgType, web
from kosoku import run_fuzzingclient

from gateway.edge.state import STATE
from gateway.edge.websocket import answer_close, websocket
from tests.kit.local import Local

_MOST_BYTES = 32 << 20
#: Of what we do not offer: permessage-deflate.
_COMPRESSED = ["12.*", "13.*"]


async def _echo(request: web.Request) -> web.StreamResponse:
    """What the cases expect of a server."""
    socket = websocket(_MOST_BYTES)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    await answer_close(socket)
    return socket


def _add_echo(app: web.Application) -> None:
    app.router.add_get("/echo", _echo)
    app[STATE].public |= {"/echo"}


@pytest.mark.timeout(240)
async def test_cases(local: Local) -> None:
    """Each passes. Text that is no UTF-8 may be refused at its end instead of at its first wrong byte."""
    await local.start(worker=False)
    url = await local.add_gateway(_add_echo)
    results = await run_fuzzingclient(
        url.replace("http", "ws") + "/echo", exclude_cases=_COMPRESSED, concurrency=1
    )
    assert len(results) > 280
    late = {result.case_id for result in results if result.behavior.value == "NON-STRICT"}
    assert late <= {"6.4.1", "6.4.2", "6.4.3", "6.4.4"}
