"""CORS: browsers of allowed origins may call and read whatever is answered, and no others."""

import re
from collections import defaultdict
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import ValidationError

from gateway.routes import ROUTES
from shared.settings import Settings
from tests.kit.chat_client import ChatClient, script
from tests.kit.local import Local

ALLOWED, OTHER = "https://app.example.org", "https://evil.example.org"
_ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-stainless-os",
}


async def test_an_allowed_origin(local: Local, session: ClientSession) -> None:
    """An allowed origin's stream can be read, with the headers that a client needs."""
    await local.start(cors_origins=f"{ALLOWED}/, https://two.example.org")
    reader = await ChatClient(session, local.url).ask(headers={"Origin": ALLOWED})
    check_open(reader.headers)
    assert "private" in reader.headers["Cache-Control"]
    exposed = reader.headers["Access-Control-Expose-Headers"]
    for name in ("X-Generation-Id", "Location", "Retry-After", "X-Request-Id"):
        assert name.lower() in exposed.lower()
    assert "Access-Control-Allow-Credentials" not in reader.headers


#: Every answer that is an error, wherever it is made.
ERRORS: list[tuple[str, str, dict[str, Any], int]] = [
    ("POST", "/api/chat/stream", {"json": {"message": ""}}, 400),
    ("POST", "/api/chat/stream", {"data": b"{}"}, 415),
    ("POST", "/api/chat/stream", {"data": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415),
    (
        "POST",
        "/api/chat/stream",
        {"data": b"x" * 2_000, "headers": {"Content-Type": "application/json"}},
        413,
    ),
    ("POST", "/api/chat/stream", {"data": b"{}", "headers": {"Expect": "more"}}, 400),
    ("GET", "/api/conversations", {"headers": {"Authorization": "Bearer no"}}, 401),
    ("GET", "/v1/models/nothing", {}, 404),
    ("GET", "/nothing", {}, 404),
    ("PUT", "/api/chat/stream", {}, 405),
    ("GET", "/api/chat/gen_x/stream", {}, 404),
    ("DELETE", "/api/conversations/c1", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), ERRORS)
async def test_errors_can_be_read(
    local: Local, session: ClientSession, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """Errors carry the same headers, or a browser would hide what went wrong."""
    await local.start(worker=False, cors_origins=ALLOWED, api_keys="k", max_body_bytes=1000)
    headers = {"Origin": ALLOWED, **options.pop("headers", {})}
    answer = await ChatClient(session, local.url, "k").call(method, path, headers=headers, **options)
    assert answer.status == status
    check_open(answer.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
async def test_preflight(local: Local, session: ClientSession, method: str) -> None:
    """A preflight needs no key, and is granted to an allowed origin alone, at any address."""
    await local.start(worker=False, cors_origins=ALLOWED, api_keys="k")
    chat = ChatClient(session, local.url)
    asked = {**_ASKED, "Access-Control-Request-Method": method}
    for path in ("/api/chat/stream", "/api/conversations/c1", "/v1/responses/x", "/livez", "/nothing"):
        granted = await chat.call("OPTIONS", path, headers={"Origin": ALLOWED, **asked})
        assert granted.status == 200
        check_open(granted.headers)
        assert method in granted.headers["Access-Control-Allow-Methods"].split(", ")
        assert granted.headers["Access-Control-Allow-Headers"] == _ASKED["Access-Control-Request-Headers"]
        refused = await chat.call("OPTIONS", path, headers={"Origin": OTHER, **asked})
        assert refused.status == 403
        check_shut(refused.headers)


async def test_another_origin(local: Local, session: ClientSession) -> None:
    """Another origin is told nothing, so its browser hides the answer; and so is everyone by default."""
    chat = ChatClient(session, await local.start(cors_origins=ALLOWED))
    closed = ChatClient(session, await local.add_gateway())
    async with await chat.send(script(length=20, rate=20)) as reader:
        for headers in ({"Origin": OTHER}, {}):
            for asked in (chat, closed):
                check_shut((await asked.call("GET", "/api/conversations", headers=headers)).headers)
                check_shut((await asked.call("GET", "/nothing", headers=headers)).headers)
                path = f"/api/chat/{reader.generation_id}/stream"
                async with await asked.open("GET", path, headers=headers) as other:
                    check_shut(other.headers)


async def test_a_picture(local: Local, session: ClientSession) -> None:
    """What is kept can be read by an allowed origin's page, whole, in part and once more, and by no other."""
    chat = ChatClient(session, await local.start(worker=False, cors_origins=ALLOWED))
    blob = (await chat.call("POST", "/api/blobs", data=b"a text")).body["blob"]
    for asked in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=9-"}, {"If-None-Match": f'"{blob}"'}):
        path = f"/api/blobs/{blob}"
        check_open((await chat.call("GET", path, headers={"Origin": ALLOWED, **asked})).headers)
        check_shut((await chat.call("GET", path, headers={"Origin": OTHER, **asked})).headers)


async def test_credentials(local: Local, session: ClientSession) -> None:
    """Where they are allowed, streams, errors and preflights say so, to the allowed origins alone."""
    await local.start(cors_origins="http://localhost:3000", cors_credentials=True)
    chat = ChatClient(session, local.url)
    here = {"Origin": "http://localhost:3000", "Cookie": "session=1"}
    reader = await chat.ask(headers=here)
    answers = [
        reader.headers,
        (await chat.call("GET", "/nothing", headers=here)).headers,
        (await chat.call("OPTIONS", "/api/chat/stream", headers={**here, **_ASKED})).headers,
    ]
    for headers in answers:
        assert headers["Access-Control-Allow-Credentials"] == "true"
        assert headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "*" not in headers.get("Access-Control-Allow-Headers", "")
    check_shut((await chat.call("GET", "/livez", headers={"Origin": OTHER})).headers)


async def test_any_origin(local: Local, session: ClientSession) -> None:
    """`*` lets every page call, and never with credentials."""
    await local.start(worker=False, cors_origins="*")
    chat = ChatClient(session, local.url)
    answer = await chat.call("DELETE", "/api/conversations/c1", headers={"Origin": OTHER})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, "*")
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        Settings(cors_origins="*", cors_credentials=True)


@pytest.mark.parametrize(
    "wrong", ["app.example.org", "https://a.example/path", "https://", "null", "a b://c"]
)
def test_what_is_no_origin(wrong: str) -> None:
    """An origin that no browser would ever send is refused at start-up, not silently never met."""
    with pytest.raises(ValidationError):
        Settings(cors_origins=f"https://good.example,{wrong}")


async def test_heads(local: Local, session: ClientSession) -> None:
    """HEAD is answered wherever GET is, as GET would be, without a body and without starting anything."""
    await local.start()
    chat = ChatClient(session, local.url)
    known = defaultdict(lambda: "x", conversation_id="c1", chat_id="c1", response_id="resp_x", model="plain")
    async with await chat.send(script(length=200, rate=20), conversation_id="c1") as running:
        await running.until("chunk")
        known["generation_id"] = running.generation_id
        for route in ROUTES:
            if route.method != "GET":
                continue
            path = re.sub(r"{(\w+)}", lambda match: known[match[1]], route.path)
            async with session.get(local.url + path) as got, session.head(local.url + path) as head:
                assert (head.status, await head.read()) == (got.status, b""), path
                for name in ("Content-Type", "Vary", "ETag", "X-Generation-Id", "Location", "Cache-Control"):
                    assert head.headers.get(name) == got.headers.get(name), (path, name)
            streams = got.headers.get("Content-Type", "").startswith("text/event-stream")
            assert local.state.relay.open_streams <= (2 if streams else 1), path
        running.cut()


def check_open(headers: Any) -> None:
    """The allowed origin's page may read this answer; caches keep it for that origin."""
    assert headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "Origin" in re.split(", *", headers["Vary"])


def check_shut(headers: Any) -> None:
    """No page of another origin may read this answer; caches do not give it to one that may."""
    assert not [name for name in headers if name.startswith("Access-Control-Allow")]
    assert "Origin" in re.split(", *", headers["Vary"])
