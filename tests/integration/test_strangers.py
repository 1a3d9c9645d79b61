"""
P16, P13: a stranger who has a key, and every id of another tenant, gets nothing of what is behind them: in
bodies, queries and headers of every dialect, over WebSockets, by stream tokens and invitations.
"""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from tests.kit.api_keys import CACHE_S, make_key
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.local import Local
from tests.kit.openai_streams import RESPONSES

#: Everything that the other tenant owns says it.
PHRASE = "what-only-its-owner-may-read"


class Owned(NamedTuple):
    """Another's, by its ids."""

    client: ChatClient
    done: str
    running: str
    response: str
    #: Of the response, and of a conversation.
    items: list[str]
    conversation: str
    invitation: str
    stream_token: str


@pytest.fixture
async def owned(local: Local, session: ClientSession) -> AsyncIterator[Owned]:
    """Of everything one."""
    url = await local.start(auth="keys", key_cache_s=CACHE_S)
    owner = ChatClient(session, url, await make_key(local, "owner", user="ann"))
    done = await owner.ask(PHRASE, conversation_id="c1", headers={"Idempotency-Key": "once"})
    running = await owner.send(script(length=2000, rate=50), conversation_id="c2")
    response = (await owner.call("POST", "/v1/responses", json={"input": PHRASE, "model": "scripted"})).body
    said = {"items": [{"type": "message", "role": "user", "content": PHRASE}]}
    conversation = (await owner.call("POST", "/v1/conversations", json=said)).body["id"]
    listed = [
        (await owner.call("GET", path)).body["data"][0]["id"]
        for path in (f"/v1/responses/{response['id']}/input_items", f"/v1/conversations/{conversation}/items")
    ]
    assert (await owner.call("POST", "/api/rooms", json={"room_id": "room1", "title": PHRASE})).status == 201
    invited = (await owner.call("POST", "/api/rooms/room1/invitations", json={})).body
    token = (await owner.call("POST", f"/api/chat/{running.generation_id}/token")).body["token"]
    yield Owned(
        owner,
        done.generation_id,
        running.generation_id,
        response["id"],
        [response["output"][0]["id"], *listed],
        conversation,
        invited["invitation"],
        token,
    )
    running.cut()


async def test_ids_of_another_tenant(local: Local, session: ClientSession, owned: Owned) -> None:
    """Wherever a request can name something of its asker's own; and nothing of it changes for its owner."""
    eve = ChatClient(session, local.url, await make_key(local, "eve", scopes=("chat", "read", "admin")))
    told: list[tuple[str, Answer]] = []

    async def ask(method: str, path: str, client: ChatClient = eve, **options: Any) -> Answer:
        answer = await client.call(method, path, **options)
        told.append((f"{method} {path} {options}", answer))
        return answer

    async def respond(**named: Any) -> None:
        await ask("POST", "/v1/responses", json={"model": "scripted", "input": "x", **named})

    for generation_id in (owned.done, owned.running, f"gen_{owned.response[5:]}"):
        suffix = generation_id[4:]
        for conversation_id in ("c1", "c2", owned.conversation):
            about = {"conversation_id": conversation_id}
            await ask("POST", "/api/chat/stream", json={"message": "x", "replaces": generation_id, **about})
            await ask("POST", "/api/chat/stream", json={"continues": generation_id, **about})
            path = f"/api/conversations/{conversation_id}/branch"
            await ask("POST", path, json={"generation_id": generation_id})
        await respond(previous_response_id=f"resp_{suffix}")
        compacted = {"input": "x", "model": "scripted", "previous_response_id": f"resp_{suffix}"}
        await ask("POST", "/v1/responses/compact", json=compacted)
        await ask("GET", f"/api/ui/chat/c1/stream?message_id={generation_id}")
        await ask("GET", f"/api/ag-ui/c1/stream?run_id={generation_id}")
        await ask("POST", "/api/ui/chat/c2/stop", json={"activeStreamId": generation_id})
        await ask("GET", f"/v1/responses/resp_{suffix}?stream=true")
    for item_id in (*owned.items, f"msg_{owned.response[5:]}_0"):
        reference = [{"type": "item_reference", "id": item_id}, {"role": "user", "content": "x"}]
        await respond(input=reference)
        await ask("GET", f"/v1/conversations/{owned.conversation}/items/{item_id}")
    for conversation_id in ("c1", "c2", owned.conversation):
        await ask("GET", f"/api/conversations/{conversation_id}/export?format=markdown")
        await ask("POST", f"/api/conversations/{conversation_id}/restore")
    await respond(conversation=owned.conversation)
    await ask("GET", f"/api/conversations?q={PHRASE}")
    nobody = ChatClient(session, local.url)
    for path in (
        *(f"/api/chat/{owned.done}/stream", f"/api/chat/{owned.running}", "/api/conversations/c2/stream"),
        *(f"/v1/messages/msg_{owned.running[4:]}/stream", "/api/conversations", "/api/ui/chat/c2/stream"),
    ):
        await ask("GET", f"{path}?token={owned.stream_token}", nobody)
    async with session.ws_connect(local.url + RESPONSES, headers=eve._headers) as socket:
        for named in ({"previous_response_id": owned.response}, {"conversation": owned.conversation}):
            await socket.send_json({"type": "response.create", "model": "scripted", "input": "x", **named})
            assert (await socket.receive_json())["status"] == 404
    for what, answer in told:
        assert answer.status in {200, 204, 400, 401, 404, 409}, (what, answer)
        assert answer.status != 200 or "?q=" in what or answer.body is None, (what, answer)
        assert PHRASE not in json.dumps(answer.body).replace(json.dumps(what)[1:-1], ""), (what, answer)
    # The same idempotency key is another's, and begins a reply of her own.
    async with await eve.send("x", headers={"Idempotency-Key": "once"}) as own:
        assert own.generation_id != owned.done
    assert (await owned.client.status(owned.running))["state"] == "running"
    assert (await owned.client.conversation("c1"))["messages"][0]["content"] == PHRASE
    await owned.client.cancel(owned.running)


async def test_forged_invitations(local: Local, session: ClientSession, owned: Owned) -> None:
    """Nobody enters by one that the room has not sealed, whatever it says, for whatever room."""
    said, seal = owned.invitation.split(".")
    truth = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))

    def forged(secret: str | None = None, **changed: Any) -> str:
        made = base64.urlsafe_b64encode(json.dumps({**truth, **changed}).encode()).decode().rstrip("=")
        if secret is None:
            return f"{made}.{seal}"
        return f"{made}.{hmac.digest(secret.encode(), made.encode(), 'sha256').hex()}"

    for token in (
        *(
            f"{said}.",
            f"{said}.{'0' * 64}",
            f".{seal}",
            f"{owned.invitation}x",
            f"{said}AAAA.{seal}",
            "x",
            "=.=",
        ),
        *(
            "%ff%fe.%ff",
            "%ed%a0%80.%ed%a0%80",
            "%00.%00",
            "A" * 6000 + "." + seal,
            f"{said.swapcase()}.{seal}",
        ),
        *(forged(role="creator"), forged(expires_s=10**12), forged(id="another"), forged(""), forged("x")),
        *(forged("", room="nothing"), forged("", owner="nobody"), forged("", room="room1:", owner="")),
        *(forged(role=["member"]), forged(expires_s="never"), forged(room=None)),
    ):
        for room in ("room1", "nothing"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(f"{local.url}/ws/{room}?userId=eve&invitation={token}")
            assert refused.value.status in {401, 403}, token[:60]
    await owned.client.cancel(owned.running)
