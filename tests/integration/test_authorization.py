"""
Who may call what: every route of the table with every kind of key. A route that is not in `MATRIX` fails.

What is not another's is as good as not there: the answer is that of an id which nobody has.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from gateway.routes import ROUTES
from tests.kit.api_keys import CACHE_S, made_key
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local

Call = tuple[str, str]
MESSAGES = [{"role": "user", "content": '/script {"length": 1}'}]
UI_MESSAGES = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]


RUN: dict[str, Any] = {
    "threadId": "ag1",
    "runId": "r1",
    "messages": [{"id": "1", "role": "user", "content": "Hello"}],
}
RUN |= {"tools": [], "context": [], "state": {}, "forwardedProps": {}}


class Row(NamedTuple):
    """How a route is called right, and what a stranger gets who does the same with a key of its own."""

    body: Any = None
    #: A stranger's status: 404 for what has an owner; 204 where new pages ask; 200 where it sees its own
    #: alone.
    stranger: int = 200
    #: Whether another user of the same tenant is a stranger.
    by_user: bool = True
    right: tuple[int, ...] = (200,)


OWNED = Row(stranger=404)
ARCHIVE: dict[str, Any] = {"format": "headrace.conversation", "version": 1, "title": "Kept"}
ARCHIVE |= {"messages": [{"role": "user", "content": "Hello", "ts": 1}]}
#: In the order in which they are called with the right key.
MATRIX: dict[Call, Row] = {
    ("POST", "/api/chat/stream"): Row({"message": '/script {"length": 1}'}),
    ("GET", "/api/chat/{generation_id}/stream"): OWNED,
    ("GET", "/api/chat/{generation_id}"): OWNED,
    ("POST", "/api/chat/{generation_id}/cancel"): OWNED,
    ("POST", "/api/blobs"): Row({"a": "text"}, stranger=201, right=(201,)),
    ("GET", "/api/blobs/{hash}"): OWNED,
    ("POST", "/api/conversations/{conversation_id}/share"): Row({}, stranger=404, right=(201,)),
    ("GET", "/api/conversations/{conversation_id}/share"): OWNED,
    ("DELETE", "/api/conversations/{conversation_id}/share/{share_id}"): Row(stranger=404, right=(204,)),
    # `test_speech.py` has who hears what, where somebody speaks.
    ("POST", "/api/tts/stream"): Row({"text": "Hello."}, stranger=501, right=(501,)),
    ("POST", "/v1/audio/speech"): Row({"input": "Hello."}, stranger=501, right=(501,)),
    ("GET", "/api/chat/{generation_id}/speech"): Row(stranger=404, right=(501,)),
    ("GET", "/api/tts/{generation_id}/stream"): Row(stranger=404, right=(404,)),
    ("GET", "/api/conversations"): Row(),
    ("GET", "/api/conversations/{conversation_id}"): OWNED,
    ("PATCH", "/api/conversations/{conversation_id}"): Row({"title": "Mine"}, stranger=404),
    ("GET", "/api/conversations/{conversation_id}/stream"): Row(stranger=404, right=(204,)),
    ("GET", "/api/conversations/{conversation_id}/export"): OWNED,
    ("POST", "/api/conversations/import"): Row(ARCHIVE, stranger=201, right=(201,)),
    ("POST", "/api/conversations/{conversation_id}/fork"): Row(stranger=404, right=(201,)),
    ("POST", "/api/conversations/{conversation_id}/branch"): Row(
        {"generation_id": "{generation_id}"}, stranger=404
    ),
    ("POST", "/api/ui/chat"): Row({"id": "ui2", "messages": UI_MESSAGES}),
    ("GET", "/api/ui/chat/{chat_id}/stream"): Row(stranger=204, right=(204,)),
    ("POST", "/api/ui/chat/{chat_id}/stop"): Row(stranger=404, right=(204,)),
    ("POST", "/v1/chat/completions"): Row({"messages": MESSAGES}),
    ("GET", "/v1/chat/completions/{generation_id}/stream"): OWNED,
    ("POST", "/v1/responses"): Row({"input": '/script {"length": 1}'}),
    ("GET", "/v1/responses/{response_id}"): OWNED,
    ("POST", "/v1/responses/{response_id}/cancel"): OWNED,
    ("GET", "/v1/responses/{response_id}/input_items"): OWNED,
    ("POST", "/v1/responses/compact"): Row({"input": "Hello", "model": "scripted"}),
    ("POST", "/v1/responses/input_tokens"): Row({"input": "Hello"}),
    ("GET", "/v1/responses"): Row(stranger=400, right=(400,)),
    ("POST", "/v1/messages"): Row({"model": "scripted", "max_tokens": 9, "messages": MESSAGES}),
    ("POST", "/v1/messages/count_tokens"): Row({"model": "scripted", "messages": MESSAGES}),
    ("GET", "/v1/messages/{message_id}/stream"): OWNED,
    ("POST", "/api/ag-ui"): Row({**RUN, "threadId": "ag2", "runId": "r2"}),
    ("GET", "/api/ag-ui/{thread_id}/stream"): Row(stranger=204, right=(204,)),
    ("POST", "/api/ag-ui/{thread_id}/stop"): Row(stranger=404, right=(204,)),
    ("POST", "/api/rooms"): Row({"room_id": "room2"}, stranger=201, right=(201,)),
    ("GET", "/api/rooms/{room_id}"): OWNED,
    ("POST", "/api/rooms/{room_id}/invitations"): Row({}, stranger=404, right=(201,)),
    ("DELETE", "/api/rooms/{room_id}/invitations/{invitation_id}"): Row(stranger=404, right=(204,)),
    ("POST", "/v1/conversations"): Row({}),
    ("GET", "/v1/conversations/{conversation_id}"): OWNED,
    ("POST", "/v1/conversations/{conversation_id}"): Row({"metadata": {"a": "b"}}, stranger=404),
    ("GET", "/v1/conversations/{conversation_id}/items"): OWNED,
    ("POST", "/v1/conversations/{conversation_id}/items"): Row({"items": MESSAGES}, stranger=404),
    ("GET", "/v1/conversations/{conversation_id}/items/{item_id}"): OWNED,
    ("GET", "/v1/models"): Row(),
    ("GET", "/v1/models/{model}"): Row(),
    ("POST", "/api/chat/{generation_id}/token"): OWNED,
    ("GET", "/api/usage"): Row(),
    ("POST", "/api/admin/keys"): Row({}, stranger=201, right=(201,)),
    ("GET", "/api/admin/keys"): Row(by_user=False),
    ("POST", "/api/admin/keys/{key_id}/rotate"): Row(stranger=404, by_user=False),
    ("GET", "/api/admin/usage"): Row(by_user=False),
    ("POST", "/api/admin/keys/{key_id}/revoke"): Row(stranger=404, by_user=False),
    ("DELETE", "/v1/responses/{response_id}"): OWNED,
    ("DELETE", "/v1/conversations/{conversation_id}"): OWNED,
    ("POST", "/api/conversations/{conversation_id}/restore"): Row(stranger=404),
    ("DELETE", "/api/conversations/{conversation_id}"): Row(stranger=404, right=(204,)),
}
#: What signs in and out; `test_page_sessions.py` has who is let in by that.
SIGNING = {
    *((method, "/api/session") for method in ("GET", "POST", "DELETE")),
    ("GET", "/api/session/issuer"),
    ("GET", "/api/session/issuer/callback"),
}
#: Whoever has a link reads by it without a key: `test_shares.py` has who does not.
SHARED = {
    ("GET", "/api/shared/{share_id}" + rest) for rest in ("", "/blobs/{hash}", "/chat/{generation_id}/stream")
}
#: Whoever has an invitation enters without a key: `test_rooms.py` has who does not.
PUBLIC = (
    SIGNING
    | SHARED
    | {("GET", "/ws/{room_id}"), ("GET", "/api/rooms/{room_id}/blobs/{hash}")}
    | {
        ("GET", path)
        for path in (
            "/api/heartbeat",
            "/livez",
            "/readyz",
            "/version",
            "/metrics",
            "/openapi.json",
            "/docs",
        )
    }
)
NEEDS = {(route.method, route.path): route.needs for route in ROUTES if not route.public}
ALL = ("admin", "chat", "read")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Scene(NamedTuple):
    """What one user of a tenant owns, and clients with every kind of key."""

    names: dict[str, str]
    right: ChatClient
    strangers: dict[str, ChatClient]
    refused: dict[str, ChatClient]
    by_scope: dict[str, ChatClient]


def test_every_route_is_in_the_matrix() -> None:
    """A new route is one that somebody has to say who may call."""
    assert {*MATRIX} == {*NEEDS}
    assert {(route.method, route.path) for route in ROUTES if route.public} == PUBLIC


@pytest.fixture
async def scene(local: Local, session: ClientSession) -> AsyncIterator[Scene]:
    """Ann of acme has a conversation, a response and a key; others have keys of all kinds."""
    url = await local.start(auth="keys", key_cache_s=CACHE_S)

    async def client(tenant: str = "acme", user: str = "ann", **wanted: Any) -> tuple[str, ChatClient]:
        kept, key = await made_key(local, tenant, user=user, **{"scopes": ALL, **wanted})
        return kept.id, ChatClient(session, url, key)

    _, right = await client()
    reader = await right.ask(script(length=1), conversation_id="mine")
    await right.call("POST", "/api/ui/chat", json={"id": "ui1", "messages": UI_MESSAGES})
    made = await right.call("POST", "/v1/responses", json={"input": script(length=1)})
    message = await right.call(
        "POST", "/v1/messages", json={"model": "scripted", "max_tokens": 9, "messages": MESSAGES}
    )
    await right.call("POST", "/api/ag-ui", json=RUN)
    await right.call("POST", "/api/rooms", json={"room_id": "room1"})
    invited = await right.call("POST", "/api/rooms/room1/invitations", json={})
    items = await right.call("GET", "/v1/conversations/mine/items")
    blob = await right.call("POST", "/api/blobs", data=b"Ann's own")
    share = await right.call("POST", "/api/conversations/mine/share", json={})
    key_id, _ = await client()
    revoked_id, revoked = await client()
    await local.state.api_keys.revoke(revoked_id)
    _, expired = await client(expires_s=1)
    names = {
        "generation_id": reader.generation_id,
        "conversation_id": "mine",
        "chat_id": "ui1",
        "response_id": made.body["id"],
        "message_id": message.body["id"],
        "thread_id": "ag1",
        "room_id": "room1",
        "invitation_id": invited.body["id"],
        "model": "plain",
        "item_id": items.body["data"][0]["id"],
        "key_id": key_id,
        "share_id": share.body["id"],
        "hash": blob.body["blob"],
    }
    await eventually(lambda: is_refused(expired), "the key expires")
    yield Scene(
        names,
        right,
        {"other tenant": (await client("umbrella"))[1], "other user": (await client(user="bob"))[1]},
        {
            "no key": ChatClient(session, url),
            "wrong": ChatClient(session, url, "hr_" + "0" * 12 + "_" + "0" * 50),
            "revoked": revoked,
            "expired": expired,
        },
        {scope: (await client(scopes=(scope,)))[1] for scope in ALL},
    )


async def test_the_matrix(scene: Scene) -> None:
    """Every route with every kind of key, in every dialect's own shape of errors."""
    wrong: list[str] = []

    async def expect(who: str, client: ChatClient, call: Call, row: Row, *statuses: int) -> Answer:
        answer = await called(client, call, row, scene.names)
        if answer.status not in statuses:
            wrong.append(f"{who} {call}: {answer.status} {answer.body}, not {statuses}")
        if not {"no-store", "private"} & {*answer.headers.get("Cache-Control", "").split(", ")}:
            wrong.append(f"{who} {call}: a shared cache may keep it")
        if answer.status >= 400:
            error = answer.body["error"]
            if call[1].startswith("/v1/") != ("type" in error) or "message" not in error:
                wrong.append(f"{who} {call}: {answer.body}")
        return answer

    for call, row in MATRIX.items():
        for who, client in scene.refused.items():
            answer = await expect(who, client, call, row, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for scope, client in scene.by_scope.items():
            if scope not in NEEDS[call].scopes:
                await expect(f"scope {scope}", client, call, row, 403)
        for who, client in scene.strangers.items():
            if row.by_user or who == "other tenant":
                answer = await expect(who, client, call, row, row.stranger)
                if answer.status < 400 and call[0] == "GET":
                    told = json.dumps(answer.body)
                    mine = [scene.names[name] for name in ("generation_id", "response_id", "key_id")]
                    assert not [one for one in mine if one in told], (who, call, told)
    for scope in {*ALL} - {"chat"}:
        answer = await scene.by_scope[scope].call("GET", "/ws/room1", headers=UPGRADE)
        assert (answer.status, answer.body["error"]["code"]) == (403, "insufficient_scope"), scope
    for call, row in MATRIX.items():
        await expect("right", scene.right, call, row, *row.right)
    assert not wrong, "\n".join(wrong)


async def called(client: ChatClient, call: Call, row: Row, names: dict[str, str]) -> Answer:
    """One request."""
    method, path = call
    body = json.loads(json.dumps(row.body).replace("{generation_id}", names["generation_id"]))
    options = {} if body is None else {"json": body}
    return await client.call(method, path.format(**names), **options)


async def is_refused(client: ChatClient) -> bool:
    """Whether it opens nothing."""
    return (await client.call("GET", "/api/conversations")).status == 401
