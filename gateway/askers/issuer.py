"""
Signing in at the issuer (OpenID Connect's code flow with PKCE). What belongs together, state, nonce and
verifier, is kept in the broker for ten minutes under a name that only this browser's cookie has.
"""

import base64
import hashlib
import re
import secrets
from typing import Any

import msgspec
from aiohttp import web
from yarl import URL

from gateway.edge.sessions import Session, is_secure, set_cookie
from gateway.edge.state import STATE, State
from shared import keys
from shared.authority import host_of
from shared.errors import InvalidRequest, NotFound, Unauthorized

_LIVES_S = 600
_COOKIE = "headrace_signing_in"
_CALLBACK = "/api/session/issuer/callback"
#: Where a person may be sent back to: a page of ours, never another's.
_OURS = re.compile(r"/(?:c/[A-Za-z0-9_.:-]{1,128})?", re.ASCII)


class _Pending(msgspec.Struct, frozen=True, kw_only=True):
    nonce: str
    verifier: str
    back: str
    remember: bool
    redirect: str


class _Given(msgspec.Struct, frozen=True):
    id_token: str


async def start(request: web.Request) -> web.StreamResponse:
    """Send a person to the issuer, to sign in there."""
    state = request.app[STATE]
    _check(state)
    described = await state.issuer.described()
    back = request.query.get("back", "/")
    if not _OURS.fullmatch(back):
        raise InvalidRequest("`back` is no page of ours.", field="back")
    if host_of(request.host) is None:
        raise InvalidRequest("`Host` is no name that anybody could be sent back to.", field="Host")
    scheme = "https" if is_secure(request) else "http"
    pending = _Pending(
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        back=back,
        remember=request.query.get("remember") == "true",
        redirect=f"{scheme}://{request.host}{_CALLBACK}",
    )
    name = secrets.token_urlsafe(32)
    await state.broker.call(
        "begin_sign_in",
        state.broker.cells.home,
        *("SET", _kept_as(state, name), msgspec.json.encode(pending), "EX", _LIVES_S),
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).rstrip(b"=")
    wanted = {
        "response_type": "code",
        "client_id": state.settings.oidc_client_id,
        "redirect_uri": pending.redirect,
        "scope": "openid profile",
        "state": name,
        "nonce": pending.nonce,
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
    }
    answer = web.Response(
        status=302,
        headers={
            "Location": str(URL(described.authorization_endpoint).update_query(wanted)),
            "Cache-Control": "no-store",
        },
    )
    # Lax: the issuer's page sends the browser back here.
    answer.set_cookie(
        _COOKIE,
        name,
        max_age=_LIVES_S,
        path=_CALLBACK,
        httponly=True,
        samesite="Lax",
        secure=is_secure(request),
    )
    return answer


async def callback(request: web.Request) -> web.StreamResponse:
    """Where the issuer sends a person back to: sign in, and show the page."""
    state = request.app[STATE]
    _check(state)
    name, code = request.query.get("state", ""), request.query.get("code", "")
    begun_as = request.cookies.get(_COOKIE, "")
    if not name or not secrets.compare_digest(*(_bytes(one) for one in (name, begun_as))):
        raise Unauthorized("This sign-in was not begun in this browser, or too long ago: begin anew.")
    home = state.broker.cells.home
    raw = await state.broker.call("end_sign_in", home, "GETDEL", _kept_as(state, name))
    if raw is None or not code:
        raise Unauthorized("This sign-in was refused, or begun too long ago: begin anew.")
    pending = msgspec.json.decode(raw, type=_Pending)
    token = await _token(state, code, pending)
    subject = state.tokens.subject_of(
        await state.tokens.claims(token, state.settings.oidc_client_id, pending.nonce)
    )
    lives_s = state.settings.session_remembered_s if pending.remember else state.settings.session_s
    session = Session(tenant=subject.tenant, user=subject.user, scopes=subject.scopes)
    value = await state.sessions.begin(session, lives_s)
    state.audit.note("signed_in", tenant=subject.tenant, user=subject.user)
    # A page, and not a redirect: the cookie is `Strict`, and a browser that comes from the issuer would not
    # send it.
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={pending.back}"><title>Headrace</title>'
    headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"}
    answer = web.Response(text=page, content_type="text/html", headers=headers)
    set_cookie(request, answer, value, lives_s if pending.remember else None)
    answer.del_cookie(_COOKIE, path=_CALLBACK)
    return answer


async def _token(state: State, code: str, pending: _Pending) -> str:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.redirect,
        "client_id": state.settings.oidc_client_id,
        "code_verifier": pending.verifier,
    }
    if secret := state.settings.oidc_client_secret.get_secret_value():
        form["client_secret"] = secret
    given: Any = await state.issuer.exchange(form)
    try:
        return msgspec.json.decode(given, type=_Given).id_token
    except msgspec.MsgspecError as error:
        raise Unauthorized("The issuer gave no token.") from error


def _kept_as(state: State, name: str) -> str:
    return state.broker.cells.home.key(keys.SIGNING_IN, hashlib.sha256(_bytes(name)).hexdigest())


def _bytes(text: str) -> bytes:
    """Whatever somebody sent."""
    return text.encode(errors="surrogatepass")


def _check(state: State) -> None:
    if not state.askers.can_send_to_issuer:
        raise NotFound("Nobody signs in at an issuer here.")
