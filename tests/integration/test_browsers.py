"""CORS: browsers of allowed origins may call, and no others."""

from aiohttp import ClientSession

from tests.kit.chat_client import ChatClient
from tests.kit.local import Local

ALLOWED, OTHER = "https://app.example.org", "https://evil.example.org"


async def test_an_allowed_origin(local: Local, session: ClientSession) -> None:
    """An allowed origin's stream can be read, with the headers that a client needs."""
    await local.start(cors_origins=f"{ALLOWED}, https://two.example.org")
    reader = await ChatClient(session, local.url).ask(headers={"Origin": ALLOWED})
    assert reader.headers["Access-Control-Allow-Origin"] == ALLOWED
    exposed = reader.headers["Access-Control-Expose-Headers"]
    for name in ("X-Generation-Id", "Location", "Retry-After"):
        assert name.lower() in exposed.lower()


async def test_an_error_can_be_read(local: Local, session: ClientSession) -> None:
    """Errors carry the same headers, or a browser would hide what went wrong."""
    await local.start(cors_origins=ALLOWED)
    refused = await ChatClient(session, local.url).submit("", headers={"Origin": ALLOWED})
    assert refused.status == 400
    assert refused.headers["Access-Control-Allow-Origin"] == ALLOWED


async def test_preflight(local: Local, session: ClientSession) -> None:
    """A preflight needs no key, and is granted to an allowed origin alone."""
    await local.start(cors_origins=ALLOWED, api_keys="k")
    chat = ChatClient(session, local.url)
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,last-event-id",
    }
    granted = await chat.call("OPTIONS", "/api/chat/stream", headers={"Origin": ALLOWED, **asked})
    assert granted.status == 200
    assert granted.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "POST" in granted.headers["Access-Control-Allow-Methods"]
    refused = await chat.call("OPTIONS", "/api/chat/stream", headers={"Origin": OTHER, **asked})
    assert refused.status == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_another_origin(local: Local, session: ClientSession) -> None:
    """Another origin is told nothing, so its browser hides the answer."""
    await local.start(cors_origins=ALLOWED)
    reader = await ChatClient(session, local.url).ask(headers={"Origin": OTHER})
    assert not [name for name in reader.headers if name.startswith("Access-Control")]


async def test_none_by_default(local: Local, session: ClientSession) -> None:
    """Without allowed origins there is no CORS at all."""
    await local.start()
    reader = await ChatClient(session, local.url).ask(headers={"Origin": ALLOWED})
    assert not [name for name in reader.headers if name.startswith("Access-Control")]
