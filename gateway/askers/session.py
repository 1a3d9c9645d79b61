"""Signing in at the page with a key, who is signed in, and signing out; and tokens for one stream."""

from typing import Literal

import msgspec
from aiohttp import web

from gateway.edge.access import owned
from gateway.edge.answers import answer_json
from gateway.edge.body import read_body
from gateway.edge.sessions import Session, set_cookie
from gateway.edge.state import ASKER, STATE
from gateway.edge.stream_tokens import LIVES_S, PARAMETER
from shared.errors import Unauthorized


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /api/session`"""

    key: str
    #: Remember who this is after the browser was closed.
    remember: bool = False


class WhoIsThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /api/session`"""

    #: What is asked for here.
    asks: Literal["none", "keys", "oidc", "both"]
    signed_in: bool = msgspec.field()
    tenant: str = ""
    user: str = ""
    #: Where to send people who sign in at an issuer; absent where there is none.
    issuer: str | None = None


class StreamToken(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /api/chat/{generation_id}/token`"""

    token: str
    #: Seconds within which to connect.
    expires_in: int
    #: Where to connect, token included.
    url: str


async def show(request: web.Request) -> web.StreamResponse:
    """Who is signed in at this browser, and how to sign in."""
    return answer_json(await _there(request), headers={"Cache-Control": "no-store"})


async def begin(request: web.Request) -> web.StreamResponse:
    """Sign in with an API key; the answer's cookie stands for it from then on."""
    body, state = await read_body(request, SignIn), request.app[STATE]
    asker = await state.askers.of_key(body.key.strip())
    lives_s = state.settings.session_remembered_s if body.remember else state.settings.session_s
    session = Session(tenant=asker.tenant, user=asker.user, key=asker.key)
    value = await state.sessions.begin(session, lives_s)
    state.audit.note("signed_in", key=asker.key, tenant=asker.tenant, user=asker.user)
    there = WhoIsThere(asks=state.askers.asks, signed_in=True, tenant=asker.tenant, user=asker.user)
    response = answer_json(there, headers={"Cache-Control": "no-store"})
    set_cookie(request, response, value, lives_s if body.remember else None)
    return response


async def end(request: web.Request) -> web.StreamResponse:
    """
    Sign out: the session opens nothing any more, anywhere; with `?everywhere=true` neither do the user's
    others.
    """
    state = request.app[STATE]
    try:
        found = await state.sessions.session(request)
    except Unauthorized:
        found = None  # nobody can say whose; ours goes all the same
    if found is not None:
        everywhere = request.query.get("everywhere") == "true"
        await state.sessions.end(*found, everywhere=everywhere)
        state.audit.note("signed_out", key=found[1].key, tenant=found[1].tenant, user=found[1].user)
    response = web.Response(status=204)
    set_cookie(request, response, "", 0)
    return response


async def stream_token(request: web.Request) -> web.StreamResponse:
    """A token to read one stream with, for what cannot send headers; to be used within a minute."""
    state, asker = request.app[STATE], request[ASKER]
    generation = await owned(state, request, request.match_info["generation_id"])
    token = await state.stream_tokens.make(asker, generation)
    url = f"/api/chat/{generation.id}/stream?{PARAMETER}={token}"
    made = StreamToken(token=token, expires_in=LIVES_S, url=url)
    return answer_json(made, headers={"Cache-Control": "no-store"})


async def _there(request: web.Request) -> WhoIsThere:
    state = request.app[STATE]
    issuer = "/api/session/issuer" if state.askers.can_send_to_issuer else None
    try:
        asker = await state.sessions.asker(request)
    except Unauthorized:
        asker = None
    if asker is None:
        return WhoIsThere(asks=state.askers.asks, signed_in=False, issuer=issuer)
    return WhoIsThere(
        asks=state.askers.asks, signed_in=True, tenant=asker.tenant, user=asker.user, issuer=issuer
    )
