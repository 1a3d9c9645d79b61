"""
Signing in at the page: a cookie that scripts cannot read and other pages cannot use, ended everywhere at
once.
"""

from collections.abc import AsyncIterator
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.edge.origins import comes_from_our_page
from gateway.edge.sessions import COOKIE
from shared import keys
from tests.kit.api_keys import CACHE_S, made_key, make_key
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.issuer import CLIENT, FakeIssuer, challenge
from tests.kit.local import Local

LISTING = "/api/conversations"
OURS = {"Sec-Fetch-Site": "same-origin"}
LONG = script(length=1000, rate=50)


class Browser(ChatClient):
    """A browser's page: it has cookies, and says where it is from."""

    def __init__(self, session: ClientSession, url: str) -> None:
        super().__init__(session, url)
        self._headers = {**OURS}
        self.jar = session.cookie_jar

    @property
    def cookie(self) -> "Morsel[str]":
        """The session's."""
        [cookie] = [cookie for cookie in self.jar if cookie.key == "headrace_session"]
        return cookie

    async def sign_in(self, key: str, **options: Any) -> int:
        """Gives the status."""
        return (await self.call("POST", "/api/session", json={"key": key, **options})).status

    async def is_in(self) -> bool:
        """Whether it is let in."""
        return (await self.call("GET", LISTING)).status == 200


@pytest.fixture
async def url(local: Local) -> str:
    """A gateway that asks for keys."""
    return await local.start(auth="keys", key_cache_s=CACHE_S)


@pytest.fixture
async def browsers() -> AsyncIterator[list[ClientSession]]:
    """Two browsers with jars of their own."""
    sessions = [ClientSession(cookie_jar=CookieJar(unsafe=True)) for _ in range(2)]
    yield sessions
    for session in sessions:
        await session.close()


async def test_signing_in_and_out(local: Local, url: str, browsers: list[ClientSession]) -> None:
    """
    By a cookie for this site alone that scripts cannot read; signed out, the cookie opens nothing anywhere.
    """
    elsewhere = await local.add_gateway(auth="keys", key_cache_s=CACHE_S)
    page = Browser(browsers[0], url)
    key = await make_key(local, user="ann")
    assert (await page.call("GET", "/api/session")).body == {"asks": "keys", "signed_in": False}
    assert not await page.is_in()
    assert await page.sign_in(key) == 200
    cookie = page.cookie
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert not cookie["max-age"]
    assert key[-50:] not in cookie.value
    await page.ask(conversation_id="c1")
    there = Browser(browsers[0], elsewhere)
    assert await there.is_in()
    assert (await page.call("GET", "/api/session")).body["user"] == "ann"
    copied = {"Cookie": f"headrace_session={cookie.value}", **OURS}
    assert (await page.call("DELETE", "/api/session")).status == 204
    assert "headrace_session" not in {cookie.key for cookie in page.jar}
    async with ClientSession() as thief:
        stolen = [ChatClient(thief, one) for one in (url, elsewhere)]
        await eventually(lambda: all_refused(stolen, copied), "it is over at both")


async def test_leaving_everywhere(local: Local, url: str, browsers: list[ClientSession]) -> None:
    """Remembered on a device for a month, unless another device signs out everywhere."""
    first, second = (Browser(session, url) for session in browsers)
    key = await make_key(local, user="ann")
    assert await first.sign_in(key, remember=True) == 200
    assert int(first.cookie["max-age"]) == 30 * 24 * 3600
    assert await second.sign_in(key) == 200
    [listing] = local.redis.keys(f"{keys.SESSIONS}*")
    assert local.redis.ttl(listing) > 29 * 86400, "as long as the one that is remembered"
    assert await first.is_in()
    await second.call("DELETE", "/api/session?everywhere=true")
    assert await is_out(first), "the other device is out, at this gateway at once"


async def test_other_pages_and_programs(local: Local, url: str, browsers: list[ClientSession]) -> None:
    """
    A cookie changes nothing where the request does not say that it is our page's; a key needs no such thing.
    """
    page = Browser(browsers[0], url)
    key = await make_key(local)
    await page.sign_in(key)
    page._headers = {}
    for headers in (
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.org"},
        {"Origin": "null"},
    ):
        assert (await page.submit(headers=headers)).status == 403
    # A page without an origin has none in common with a request that names no host.
    assert not comes_from_our_page(CIMultiDictProxy(CIMultiDict({"Origin": "null"})))
    own = str(URL(url).origin())
    async with await page.send(headers={"Origin": own}) as reader:
        await reader.all()
    async with await page.send(headers={"Authorization": f"Bearer {key}"}) as reader:
        await reader.all()


async def test_two_cookies(
    local: Local, url: str, browsers: list[ClientSession], session: ClientSession
) -> None:
    """Who brings two sessions, in either order, is nobody: a neighbouring site may have planted one."""
    cookies = []
    for browser in browsers:
        page = Browser(browser, url)
        await page.sign_in(await make_key(local))
        cookies.append(f"{COOKIE}={page.cookie.value}")
    stranger = ChatClient(session, url)
    for sent, status in (
        (cookies[0], 200),
        (f"{cookies[0]}; {cookies[0]}", 200),
        ("; ".join(cookies), 401),
        (";".join(reversed(cookies)), 401),
        (f"{cookies[0]}; other=1; {COOKIE}=", 401),
    ):
        headers = {"Cookie": sent, "Sec-Fetch-Site": "same-origin"}
        assert (await stranger.call("GET", LISTING, headers)).status == status, sent
        there = await stranger.call("GET", "/api/session", headers)
        assert there.body["signed_in"] == (status == 200)
        if status == 401:
            assert (await stranger.call("DELETE", "/api/session", headers)).status == 204
            assert await Browser(browsers[0], url).is_in()


async def test_a_configured_key(local: Local, browsers: list[ClientSession]) -> None:
    """It signs in as any; a gateway that has it no more lets nobody in by it."""
    url = await local.start(api_keys="alice-key")
    other = await local.add_gateway(api_keys="bob-key")
    page = Browser(browsers[0], url)
    assert await page.sign_in("alice-key") == 200
    assert await page.is_in()
    assert not await Browser(browsers[0], other).is_in()


async def test_what_cannot_sign_in(local: Local, url: str, browsers: list[ClientSession]) -> None:
    """Wrong keys, and those that act for others; a revoked key ends the session that it began."""
    page = Browser(browsers[0], url)
    assert await page.sign_in("hr_nothing") == 401
    assert await page.sign_in("") == 401
    assert await page.sign_in(await make_key(local, acts_for="trusted")) == 403
    kept, key = await made_key(local)
    assert await page.sign_in(key) == 200
    await local.state.api_keys.revoke(kept.id)
    await eventually(lambda: is_out(page), "the session is over")


async def test_a_token_for_one_stream(local: Local, url: str, session: ClientSession) -> None:
    """For an EventSource: it reads that stream, and nothing else, for a minute, without any header."""
    chat, bare = ChatClient(session, url, await make_key(local)), ChatClient(session, url)
    reader, other = await chat.send(LONG), await chat.send(LONG)
    made = (await chat.call("POST", f"/api/chat/{reader.generation_id}/token")).body
    assert made["expires_in"] <= 60
    async with await bare.open("GET", made["url"]) as watching:
        await watching.until("chunk")
    token = f"token={made['token']}"
    for method, path, status in (
        ("GET", f"/api/chat/{other.generation_id}/stream?{token}", 404),
        ("GET", f"/api/chat/{reader.generation_id}?{token}", 401),
        ("POST", f"/api/chat/{reader.generation_id}/cancel?{token}", 401),
        ("GET", f"{LISTING}?{token}", 401),
        ("GET", f"/api/chat/{reader.generation_id}/stream?{token}x", 401),
        ("GET", f"/api/chat/{reader.generation_id}/stream?token=", 401),
    ):
        assert (await bare.call(method, path)).status == status, (method, path)
    assert (await bare.call("POST", f"/api/chat/{reader.generation_id}/token")).status == 401
    for one in (reader, other):
        await chat.cancel(one.generation_id)
        await one.all()


async def test_a_stream_token_that_is_late(
    local: Local, url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its minute it connects nobody."""
    chat = ChatClient(session, url, await make_key(local))
    reader = await chat.ask()
    monkeypatch.setattr("gateway.edge.stream_tokens.LIVES_S", 0)
    made = (await chat.call("POST", f"/api/chat/{reader.generation_id}/token")).body
    assert (await ChatClient(session, url).call("GET", made["url"])).status == 401


async def test_signing_in_at_an_issuer(local: Local, browsers: list[ClientSession]) -> None:
    """
    The code flow with PKCE: only the browser that began it, once, with the issuer's own word for this very
    sign-in.
    """
    issuer = FakeIssuer()
    await issuer.start()
    try:
        url = await local.start(**issuer.settings)
        page = Browser(browsers[0], url)
        assert (await page.call("GET", "/api/session")).body["issuer"] == "/api/session/issuer"
        wanted = await begun(page, "/api/session/issuer?back=/c/c1")
        assert wanted["client_id"] == CLIENT
        assert wanted["code_challenge_method"] == "S256"
        back = f"/api/session/issuer/callback?code=x&state={wanted['state']}"
        issuer.id_token = issuer.token(aud=CLIENT, nonce=wanted["nonce"])
        assert (await Browser(browsers[1], url).call("GET", back)).status == 401
        for audience, nonce in ((CLIENT, "another"), ("headrace", wanted["nonce"])):
            issuer.id_token = issuer.token(aud=audience, nonce=nonce)
            assert (await page.call("GET", back)).status == 401
            wanted = await begun(page, "/api/session/issuer?back=/c/c1")
            back = f"/api/session/issuer/callback?code=x&state={wanted['state']}"
        issuer.id_token = issuer.token(aud=CLIENT, nonce=wanted["nonce"])
        kept = next(cookie.value for cookie in page.jar if cookie.key == "headrace_signing_in")
        signed_in = await page.call("GET", back)
        assert signed_in.status == 200
        assert "url=/c/c1" in signed_in.body
        assert challenge(issuer.exchanged["code_verifier"]) == wanted["code_challenge"]
        assert await page.is_in()
        for headers in (None, {"Cookie": f"headrace_signing_in={kept}"}):
            assert (await page.call("GET", back, headers=headers)).status == 401
        assert (await page.call("GET", "/api/session/issuer?back=//evil.org")).status == 400
    finally:
        await issuer.close()


async def begun(page: Browser, path: str) -> dict[str, str]:
    """What the issuer is asked."""
    sent = await page.call("GET", path, allow_redirects=False)
    assert sent.status == 302
    return {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["Location"]).query).items()}


async def all_refused(clients: list[ChatClient], headers: dict[str, str]) -> bool:
    """Whether none of them is let in."""
    return {(await client.call("GET", LISTING, headers=headers)).status for client in clients} == {401}


async def is_out(page: Browser) -> bool:
    """Whether it is not let in."""
    return not await page.is_in()
