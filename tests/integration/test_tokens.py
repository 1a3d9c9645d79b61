"""Tokens of an issuer: what is forged, stale, or meant for another is 401, never more and never a 5xx."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiohttp import ClientSession
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from shared.startup import refuse_half_an_issuer
from tests.kit.chat_client import ChatClient, script
from tests.kit.issuer import FakeIssuer, b64, by_hmac, shared_secret, unsigned
from tests.kit.local import Local
from tests.kit.room_client import member

LISTING = "/api/conversations"
DAY_S = 24 * 3600
LONG = script(length=2000, rate=50)


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    """An issuer that listens."""
    issuer = FakeIssuer()
    await issuer.start()
    yield issuer
    await issuer.close()


def forged(issuer: FakeIssuer) -> Mapping[str, str]:
    """Tokens that must not be taken, by what is wrong with them."""
    now, good = int(time.time()), issuer.token()
    head, claims, signature = good.split(".")
    other_rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
    other_ec = ECKey.generate_key("P-256", {"kid": "ec"})
    pem = issuer.rsa.as_pem(private=False)
    none = {"alg": "none", "kid": "rsa"}
    signed: Callable[..., str] = issuer.token
    return {
        "none": unsigned(none, issuer.claims()),
        "None": unsigned({**none, "alg": "None"}, issuer.claims()),
        "NONE with a signature": unsigned({**none, "alg": "NONE"}, issuer.claims(), b"x"),
        "no alg": unsigned({"kid": "rsa"}, issuer.claims()),
        "alg is null": unsigned({"alg": None, "kid": "rsa"}, issuer.claims()),
        "alg is a list": unsigned({"alg": ["RS256"], "kid": "rsa"}, issuer.claims()),
        "alg is empty": unsigned({"alg": "", "kid": "rsa"}, issuer.claims()),
        "public key as HMAC secret": by_hmac(pem, {"kid": "rsa"}, issuer.claims()),
        "public key as HMAC secret, ec": by_hmac(
            issuer.ec.as_pem(private=False), {"kid": "ec"}, issuer.claims()
        ),
        "HMAC with an empty secret": by_hmac(b"", {"kid": "rsa"}, issuer.claims()),
        "another's key": signed(other_rsa),
        "another's key, ec": signed(other_ec),
        "another key's name": signed(header={"kid": "ec"}),
        "an unknown key": signed(header={"kid": "unknown"}),
        "kid is a path": signed(header={"kid": "../../dev/null"}),
        "kid is a number": unsigned({"alg": "RS256", "kid": 1}, issuer.claims(), b"x" * 256),
        "no kid where there are several": signed(header={"kid": None}),
        "its own key in the header": signed(other_rsa, header={"jwk": other_rsa.as_dict(private=False)}),
        "its own address of keys": signed(other_rsa, header={"jku": "http://127.0.0.1:1/jwks"}),
        "crit": unsigned({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}, issuer.claims(), b"x" * 256),
        "b64": unsigned({"alg": "RS256", "kid": "rsa", "b64": False}, issuer.claims(), b"x" * 256),
        "another type": signed(header={"typ": "dpop+jwt"}),
        "type is a list": unsigned({"alg": "RS256", "kid": "rsa", "typ": ["JWT"]}, {}, b"x" * 256),
        "type is an object": unsigned({"alg": "RS256", "kid": "rsa", "typ": {"JWT": 1}}, {}, b"x" * 256),
        "kid is a list": unsigned({"alg": "RS256", "kid": ["rsa"]}, issuer.claims(), b"x" * 256),
        "kid cannot be text": unsigned(b'{"alg":"RS256","kid":"\\ud800"}', {}, b"x" * 256),
        "expiry is no number": unsigned({"alg": "RS256", "kid": "rsa"}, b'{"exp":NaN}', b"x" * 256),
        "an ES256 signature of zeros": unsigned({"alg": "ES256", "kid": "ec"}, issuer.claims(), b"\0" * 64),
        "encrypted": f"{b64(b'{}')}.{head}.{claims}.{signature}.x",
        "another algorithm of the same key": unsigned({"alg": "RS384", "kid": "rsa"}, {}, b"x" * 256),
        "changed claims": f"{head}.{b64(b'{}')}.{signature}",
        "no signature": f"{head}.{claims}.",
        "half a signature": f"{head}.{claims}.{signature[:40]}",
        "another signature": f"{head}.{claims}.{issuer.token(sub='bob').split('.')[2]}",
        "two parts": f"{head}.{claims}",
        "four parts": f"{good}.x",
        "expired": signed(exp=now - 3600),
        "expired beyond the leeway": signed(exp=now - 61),
        "expired for ever": signed(exp=0),
        "no expiry": signed(exp=None),
        "expiry as text": signed(exp=str(now + 300)),
        "expiry as true": signed(exp=True),
        "expiry beyond time": signed(exp=10**18),
        "expiry as a list": signed(exp=[now + 300]),
        "not yet": signed(nbf=now + DAY_S),
        "made in the future": signed(iat=now + DAY_S),
        "nbf as text": signed(nbf="now"),
        "wrong audience": signed(aud="another"),
        "no audience": signed(aud=None),
        "many wrong audiences": signed(aud=["another", "headrace2"]),
        "audience as an object": signed(aud={"headrace": True}),
        "wrong issuer": signed(iss="https://evil.example.org"),
        "issuer with a slash": signed(iss=f"{issuer.url}/"),
        "no issuer": signed(iss=None),
        "issuer as a list": signed(iss=[issuer.url]),
        "no subject": signed(sub=None),
        "empty subject": signed(sub=""),
        "subject as a number": signed(sub=1),
        "subject with a line break": signed(sub="ann\nbob"),
        "subject without end": signed(sub="a" * 129),
        "subject that cannot be text": signed_bytes(issuer, '"sub":"a\\ud800"'),
        "expiry beyond numbers": signed_bytes(issuer, '"exp":1e400'),
        "expiry below zero": signed(exp=-1e308),
        "expiry that is no number": signed_bytes(issuer, '"exp":NaN'),
        "another's key by its address": signed(other_rsa, header={"x5u": "http://127.0.0.1:1/x"}),
        "kid without end": signed(header={"kid": "k" * 4000}),
        "a token in a token": unsigned(
            {"alg": "RS256", "kid": "rsa", "cty": "JWT"}, good.encode(), b"x" * 256
        ),
        "oversized": signed(filler="x" * 9000),
        "deep": unsigned({"alg": "RS256", "kid": "rsa"}, b"[" * 4000, b"x" * 256),
        "header is no object": unsigned([], issuer.claims(), b"x" * 256),
        "header is no JSON": unsigned(b"\xff\xfe", issuer.claims(), b"x" * 256),
        "claims are no object": unsigned({"alg": "RS256", "kid": "rsa"}, "text", b"x" * 256),
        "not base64": "eyJ!.eyJ!.x",
        "words": "eyJ",
        "an API key": "hr_" + "0" * 12 + "_" + "0" * 50,
    }


def signed_bytes(issuer: FakeIssuer, claim: str) -> str:
    """A token whose claims have *claim* as it stands, and no other of its name."""
    name = json.loads("{" + claim.partition(":")[0] + ":0}").popitem()[0]
    good = json.dumps(issuer.claims(**{name: None}))
    head = {"alg": "RS256", "kid": "rsa"}
    return jws.serialize_compact(head, good[:-1] + "," + claim + "}", issuer.rsa)


async def test_forged_and_stale_tokens(local: Local, session: ClientSession, issuer: FakeIssuer) -> None:
    """All are refused with the same few words, in every dialect, and the issuer is not asked for each."""
    await local.start(**issuer.settings)
    assert (await ChatClient(session, local.url, issuer.token()).call("GET", LISTING)).status == 200
    tokens = forged(issuer)
    assert len(tokens) >= 60
    taken = []
    for what, token in tokens.items():
        for path in (LISTING, "/v1/models"):
            answer = await ChatClient(session, local.url, token).call("GET", path)
            # What is longer than a header may be is refused before anybody looks at it.
            if answer.status != (400 if what == "oversized" else 401):
                taken.append((what, answer.status, answer.body))
            assert "Traceback" not in str(answer.body)
    assert not taken
    assert issuer.asked <= 2


async def test_what_is_open_ends_with_its_token(
    local: Local, session: ClientSession, issuer: FakeIssuer
) -> None:
    """Once it has expired, with the leeway; so does what a stream's token of it has opened. No other's."""
    await local.start(**issuer.settings)
    soon = int(time.time()) + 2
    ending, staying = (
        ChatClient(session, local.url, issuer.token(exp=moment - 60)) for moment in (soon, soon + 120)
    )
    reader = await ending.send(LONG)
    token = (await ending.call("POST", f"/api/chat/{reader.generation_id}/token")).body["url"]
    bare = ChatClient(session, local.url)
    async with (
        reader,
        await bare.open("GET", token) as page,
        await staying.resume(reader.generation_id) as other,
        member(session, local.url, "r", "ann", headers=ending._headers) as ann,
    ):
        for one in (reader, page):
            ended = await one.until("error", timeout_s=10)
            assert (ended.id, ended.data["metadata"]["code"]) == (None, "access_ended")
            assert await one.next() is None
        assert time.time() >= soon
        assert (await ann.until("error"))["code"] == "access_ended"
        assert await ann.next() is None and ann.socket.close_code == 4401
        seen = len(other.frames)
        await other.until("chunk")
        assert len(other.frames) > seen
    assert (await bare.call("GET", token)).status == 401


@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_good_tokens(local: Local, session: ClientSession, issuer: FakeIssuer, kind: str) -> None:
    """
    Of either kind of key, with one or several audiences, a little late or early; each user has its own
    history.
    """
    await local.start(**issuer.settings, oidc_tenant_claim="org", oidc_scopes_claim="scope")
    now, key = int(time.time()), getattr(issuer, kind)
    good: dict[str, Any] = {"org": "acme", "scope": "openid headrace:chat read"}
    ann = ChatClient(session, local.url, issuer.token(key, **good))
    await ann.ask(conversation_id="c1")
    changes: list[dict[str, Any]] = [
        *({"aud": ["x", "headrace"]}, {"exp": now - 30}, {"iat": now + 30}, {"nbf": now + 30})
    ]
    for changed in changes:
        again = ChatClient(session, local.url, issuer.token(key, **good | changed))
        assert [c["id"] for c in (await again.call("GET", LISTING)).body["conversations"]] == ["c1"]
    for other_one in ({"sub": "bob"}, {"org": "umbrella"}):
        other = ChatClient(session, local.url, issuer.token(key, **good | other_one))
        assert (await other.call("GET", LISTING)).body["conversations"] == []
    reads = ChatClient(session, local.url, issuer.token(key, **good | {"scope": ["read"]}))
    assert (await reads.submit()).status == 403
    nobody = ChatClient(session, local.url, issuer.token(key, **{**good, "org": None}))
    assert (await nobody.call("GET", LISTING)).status == 401


async def test_keys_that_change(local: Local, session: ClientSession, issuer: FakeIssuer) -> None:
    """
    A new key is asked for once the cool-down is over; what nobody knows makes nobody ask again and again.
    """
    await local.start(**issuer.settings)
    known = ChatClient(session, local.url, issuer.token())
    assert (await known.call("GET", LISTING)).status == 200
    new = RSAKey.generate_key(2048, {"kid": "new"})
    issuer.published.append(new.as_dict(private=False))
    for _ in range(20):
        assert (await ChatClient(session, local.url, issuer.token(new)).call("GET", LISTING)).status == 401
    assert issuer.asked == 1
    local.state.issuer.cool_down()
    assert (await ChatClient(session, local.url, issuer.token(new)).call("GET", LISTING)).status == 200
    assert issuer.asked == 2


async def test_an_issuer_that_is_away(local: Local, session: ClientSession, issuer: FakeIssuer) -> None:
    """Known keys go on; where none was ever read, it is 503 and said so."""
    await local.start(**issuer.settings)
    other = await local.add_gateway(**issuer.settings)
    token = issuer.token()
    assert (await ChatClient(session, local.url, token).call("GET", LISTING)).status == 200
    await issuer.close()
    assert (await ChatClient(session, local.url, token).call("GET", LISTING)).status == 200
    refused = await ChatClient(session, other, token).call("GET", LISTING)
    assert (refused.status, refused.error["code"]) == (503, "unavailable")


async def test_keys_that_may_not_sign(local: Local, session: ClientSession, issuer: FakeIssuer) -> None:
    """Secrets and short keys among its keys are left out: what they sign is refused."""
    secret = shared_secret(b"x" * 32, "secret")
    short = RSAKey.generate_key(1024, {"kid": "short"}, auto_kid=False)
    issuer.published += [secret.as_dict(private=True), short.as_dict(private=False), {"kty": "RSA"}, {}]
    await local.start(**issuer.settings)
    for key, status in ((issuer.rsa, 200), (secret, 401), (short, 401)):
        answer = await ChatClient(session, local.url, issuer.token(key)).call("GET", LISTING)
        assert answer.status == status


async def test_only_listed_algorithms(local: Local, session: ClientSession, issuer: FakeIssuer) -> None:
    """A good signature of an algorithm that the operator does not take is refused."""
    await local.start(**issuer.settings, oidc_algorithms="ES256")
    for key, status in ((issuer.ec, 200), (issuer.rsa, 401)):
        answer = await ChatClient(session, local.url, issuer.token(key)).call("GET", LISTING)
        assert answer.status == status


async def test_half_an_issuer_is_refused(local: Local) -> None:
    """
    Tokens cannot be asked for without an issuer, an audience, or by an address that anyone could answer for.
    """
    good = {"auth": "oidc", "oidc_issuer": "https://id.example.org", "oidc_audience": "headrace"}
    refuse_half_an_issuer(local.settings(**good))
    for wrong in ({"oidc_issuer": ""}, {"oidc_audience": ""}, {"oidc_issuer": "http://id.example.org"}):
        with pytest.raises(ValueError, match="asks for tokens"):
            refuse_half_an_issuer(local.settings(**good | wrong))
