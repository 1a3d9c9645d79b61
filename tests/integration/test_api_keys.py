"""P16: a key opens what it is for until it is revoked or expires, at every gateway within moments."""

import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from shared.api_keys import Wanted
from shared.errors import Conflict, InvalidRequest, NotFound
from shared.lifetimes import LISTED_S
from tests.kit.api_keys import CACHE_S, made_key, make_key
from tests.kit.chat_client import Answer, ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local

LISTING = "/api/conversations"


@pytest.fixture
async def keyed(local: Local) -> AsyncIterator[list[str]]:
    """The addresses of two gateways that ask for keys."""
    first = await local.start(auth="keys", key_cache_s=CACHE_S)
    yield [first, await local.add_gateway(auth="keys", key_cache_s=CACHE_S)]


async def test_a_key_is_let_in_by_either_header(
    local: Local, keyed: list[str], session: ClientSession
) -> None:
    """`Authorization: Bearer` and `x-api-key`, at any gateway, in every dialect."""
    key = await make_key(local)
    for url in keyed:
        for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
            for path in (LISTING, "/v1/models"):
                answer = await ChatClient(session, url).call("GET", path, headers=headers)
                assert answer.status == 200, answer


async def test_history_is_the_tenants_and_users(
    local: Local, keyed: list[str], session: ClientSession
) -> None:
    """Another key of the same user sees the same; another user, or another tenant, nothing of it."""
    wrote = ChatClient(session, keyed[0], await make_key(local, user="ann"))
    reader = await wrote.ask(conversation_id="c1")
    same = ChatClient(session, keyed[1], await make_key(local, user="ann"))
    assert (await same.status(reader.generation_id))["state"] == "done"
    for tenant, user in (("acme", "bob"), ("acme", ""), ("umbrella", "ann")):
        other = ChatClient(session, keyed[1], await make_key(local, tenant, user=user))
        assert (await other.call("GET", f"/api/chat/{reader.generation_id}")).status == 404
        assert (await other.call("GET", LISTING)).body["conversations"] == []


async def test_rotation_keeps_history_and_overlaps(
    local: Local, keyed: list[str], session: ClientSession
) -> None:
    """Both secrets open while the overlap lasts, then the new one alone; what was said is still there."""
    kept, old = await made_key(local)
    await ChatClient(session, keyed[0], old).ask(conversation_id="c1")
    _, middle = await local.state.api_keys.rotate(kept.id, 3600)
    for key in (old, middle):
        assert await opened(session, keyed[1], key)
    _, new = await local.state.api_keys.rotate(kept.id, 0)
    await eventually(lambda: not_opened(session, keyed, middle), "the gateways know of it")
    assert not await opened(session, keyed[0], old)
    listed = await ChatClient(session, keyed[1], new).call("GET", LISTING)
    assert [one["id"] for one in listed.body["conversations"]] == ["c1"]


async def test_a_new_secret_opens_at_once(local: Local, session: ClientSession) -> None:
    """Also at a gateway that goes by what it has read of the key; what is no secret of it opens nothing."""
    url = await local.start(auth="keys", key_cache_s=60)
    kept, old = await made_key(local)
    assert await opened(session, url, old)
    _, new = await local.state.api_keys.rotate(kept.id, 3600)
    for key in (new, old):
        assert await opened(session, url, key)
    assert not await opened(session, url, new[:-1] + ("a" if new[-1] != "a" else "b"))


async def test_a_revocation_reaches_every_gateway(
    local: Local, keyed: list[str], session: ClientSession
) -> None:
    """Also where the key was in use; the answer says what has become of it, in every dialect."""
    kept, key = await made_key(local)
    for url in keyed:
        assert await opened(session, url, key)
    await local.state.api_keys.revoke(kept.id)
    at = time.monotonic()
    await eventually(lambda: not_opened(session, keyed, key), "the gateways know of it")
    assert time.monotonic() - at < CACHE_S + 2
    for path in (LISTING, "/v1/models"):
        refused = await ChatClient(session, keyed[0], key).call("GET", path)
        assert refused.status == 401
        assert "revoked" in refused.body["error"]["message"]
    with pytest.raises(Conflict):
        await local.state.api_keys.rotate(kept.id, 0)


async def test_an_expired_key(local: Local, keyed: list[str], session: ClientSession) -> None:
    """It opens nothing from its very moment, although a gateway has just read it."""
    kept, key = await made_key(local, expires_s=1)
    assert await opened(session, keyed[0], key)
    expires_ms = kept.expires_ms
    assert expires_ms is not None
    await eventually(lambda: time.time() * 1000 > expires_ms, "it expires")
    refused = await ChatClient(session, keyed[0], key).call("GET", LISTING)
    assert (refused.status, refused.error["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "wrong", ["", "hr_", "hr_abc", "hr_{id}_", "hr_{id}_{other}", "hr_{other}_{id}", "{key}x", "{key} x"]
)
async def test_a_wrong_key(local: Local, keyed: list[str], session: ClientSession, wrong: str) -> None:
    """Whatever looks like one is 401, with the same words."""
    kept, key = await made_key(local)
    given = wrong.format(id=kept.id, key=key, other="0" * 50)
    refused = await ChatClient(session, keyed[0], given).call("GET", LISTING)
    assert (refused.status, refused.error["code"]) == (401, "unauthorized")


async def test_scopes(local: Local, keyed: list[str], session: ClientSession) -> None:
    """Whoever may only read begins nothing; whoever may only chat reads nothing but its streams."""
    reads = ChatClient(session, keyed[0], await make_key(local, scopes=("read",)))
    refused = await reads.submit()
    assert (refused.status, refused.error["code"]) == (403, "insufficient_scope")
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    assert (await reads.call("GET", LISTING)).status == 200
    chats = ChatClient(session, keyed[0], await make_key(local, scopes=("chat",)))
    async with await chats.send(script(length=1000, rate=50)) as reader:
        assert (await chats.call("GET", LISTING)).status == 403
        async with await chats.resume(reader.generation_id) as again:
            assert again.status == 200
        assert (await chats.cancel(reader.generation_id)).status == 200


async def test_a_key_that_acts_for_users(local: Local, keyed: list[str], session: ClientSession) -> None:
    """Each user it names has a history of its own; naming none, or one where the key may not, is refused."""
    trusted = ChatClient(session, keyed[0], await make_key(local, acts_for="trusted"))
    for user in ("ann", "bob"):
        await trusted.ask(user, conversation_id="c1", headers={"X-Headrace-User": user})
    for user in ("ann", "bob"):
        shown = await trusted.call("GET", f"{LISTING}/c1", headers={"X-Headrace-User": user})
        assert shown.body["messages"][0]["content"] == user
    for name in ("", " ", "a" * 129):
        assert (await trusted.call("GET", LISTING, headers={"X-Headrace-User": name})).status == 400
    assert (await trusted.call("GET", LISTING)).error["field"] == "X-Headrace-User"
    own = ChatClient(session, keyed[0], await make_key(local))
    assert (await own.call("GET", LISTING, headers={"X-Headrace-User": "ann"})).status == 403


async def test_a_signed_user(local: Local, keyed: list[str], session: ClientSession) -> None:
    """A key that has its users signed takes no name without a fresh signature of that very name."""
    key = await make_key(local, acts_for="signed")
    chat = ChatClient(session, keyed[0], key)

    async def answered(user: str, signed: str, at: int) -> Answer:
        made = hmac.new(key[-50:].encode(), f"{at}.{signed}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Headrace-User": user, "X-Headrace-User-Signature": f"{at}.{made}"}
        return await chat.call("GET", LISTING, headers=headers)

    now = int(time.time())
    assert (await answered("ann", "ann", now)).status == 200
    assert (await answered("bob", "ann", now)).status == 403
    assert (await answered("ann", "ann", now - 400)).status == 403
    assert (await chat.call("GET", LISTING, headers={"X-Headrace-User": "ann"})).status == 403


async def test_history_is_taken_over_once(local: Local, session: ClientSession) -> None:
    """
    What a configured key owned becomes a user's, whose keys may change; nobody else can take it as well.
    """
    url = await local.start(api_keys="old-key", auth="keys", key_cache_s=CACHE_S)
    await ChatClient(session, url, "old-key").ask("Before", conversation_id="c1")
    wanted = Wanted(tenant="acme", user="ann")
    keys = local.state.api_keys
    _, key = await keys.create(wanted, "a test", "old-key")
    ann = ChatClient(session, url, key)
    assert (await ann.conversation("c1"))["messages"][0]["content"] == "Before"
    await ann.ask("After", conversation_id="c1")
    await keys.create(wanted, "a test", "old-key")
    with pytest.raises(Conflict):
        await keys.create(Wanted(tenant="umbrella"), "a test", "old-key")
    with pytest.raises(Conflict):
        await keys.create(wanted, "a test", "another-key")


async def test_what_cannot_be_a_key(local: Local, keyed: list[str]) -> None:
    """Names, scopes and times that make no sense are refused by name."""
    for field, wanted in (
        ("tenant", {"tenant": ""}),
        ("tenant", {"tenant": "anonymous"}),
        ("tenant", {"tenant": "a\nb"}),
        ("user", {"user": "\x00"}),
        ("scopes", {"scopes": ("all",)}),
        ("scopes", {"scopes": ()}),
        ("expires", {"expires_s": 0}),
        ("user", {"user": "ann", "acts_for": "trusted"}),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await make_key(local, **wanted)
        assert refused.value.field == field
    with pytest.raises(NotFound):
        await local.state.api_keys.revoke("nothing")


async def test_what_is_gone_stays_gone(local: Local, keyed: list[str]) -> None:
    """A revoked key gets no new secret; nothing of one that expires while it is used comes back."""
    kept, _ = await made_key(local)
    await local.state.api_keys.revoke(kept.id)
    with pytest.raises(Conflict):
        await local.state.api_keys.rotate(kept.id, 60)
    [record] = local.redis.keys(f"*{kept.id}")
    assert local.redis.ttl(record) <= LISTED_S
    local.redis.delete(record)
    await local.state.api_keys.used(kept)
    assert not local.redis.exists(record)


async def test_an_admins_answers(local: Local, keyed: list[str], session: ClientSession) -> None:
    """No cache keeps a secret; who made and rotated a key is on record; usage is each key's."""
    noted: list[str] = []
    local.state.audit.note = lambda event, **_: noted.append(event)  # type: ignore[method-assign]
    one = ChatClient(session, keyed[0], await make_key(local, scopes=("admin", "chat", "read")))
    made = await one.call("POST", "/api/admin/keys", json={"user": "ann"})
    assert "no-store" in made.headers["Cache-Control"]
    key_id = made.body["about"]["id"]
    rotated = await one.call("POST", f"/api/admin/keys/{key_id}/rotate", json={"overlap_s": 60})
    assert [answer.headers["Cache-Control"] for answer in (made, rotated)] == ["no-store"] * 2
    key = await make_key(local, "umbrella", scopes=("admin",))
    stranger = ChatClient(session, keyed[0], key)
    assert key_id not in {each["id"] for each in (await stranger.call("GET", "/api/admin/keys")).body["keys"]}
    for act in ("rotate", "revoke"):
        assert (await stranger.call("POST", f"/api/admin/keys/{key_id}/{act}")).status == 404
    await one.call("POST", f"/api/admin/keys/{key_id}/revoke")
    assert [event for event in noted if "used" not in event] == ["key_created", "key_rotated", "key_revoked"]
    await one.ask()
    other = ChatClient(session, keyed[0], await make_key(local))
    assert (await other.call("POST", "/api/admin/keys", json={})).status == 403
    used = [(await each.call("GET", "/api/usage")).body["used"]["day"]["messages"] for each in (one, other)]
    assert used == [1, 0]


async def test_no_secret_is_kept(local: Local, keyed: list[str], session: ClientSession) -> None:
    """P16: neither key nor secret is in the broker, as a name or as a value."""
    kept, key = await made_key(local)
    await ChatClient(session, keyed[0], key).ask("Hello", conversation_id="c1")
    await local.state.api_keys.rotate(kept.id, 60)
    for name in local.redis.keys("*"):
        assert key[-50:].encode() not in name
        assert key[-50:].encode() not in (local.redis.dump(name) or b"")


async def opened(session: ClientSession, url: str, key: str) -> bool:
    """Whether *key* opens anything there."""
    answer = await ChatClient(session, url, key).call("GET", LISTING)
    assert answer.status in {200, 401}
    return answer.status == 200


async def not_opened(session: ClientSession, urls: list[str], key: str) -> bool:
    """Whether it opens nothing at any of *urls*."""
    return not any([await opened(session, url, key) for url in urls])
