"""What concerns askers themselves: their keys, and what they have used."""

from collections.abc import Sequence

from gateway.askers import admin, issuer, session, usage
from gateway.route import STRING, Route
from shared.api_keys import ShownKey

_KEY = "/api/admin/keys/{key_id}"

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/chat/{generation_id}/token",
        session.stream_token,
        gives=session.StreamToken,
        scopes=("chat", "read"),
    ),
    Route("GET", "/api/session", session.show, gives=session.WhoIsThere, errors=(503,), public=True),
    Route(
        "POST",
        "/api/session",
        session.begin,
        body=session.SignIn,
        gives=session.WhoIsThere,
        errors=(400, 401, 413, 415, 503),
        public=True,
    ),
    Route(
        "DELETE",
        "/api/session",
        session.end,
        statuses=(204,),
        errors=(503,),
        parameters=(("query", "everywhere", {"type": "boolean"}),),
        public=True,
    ),
    Route(
        "GET",
        "/api/session/issuer",
        issuer.start,
        gives="text/html",
        statuses=(302,),
        errors=(400, 404, 503),
        parameters=(("query", "back", STRING), ("query", "remember", {"type": "boolean"})),
        public=True,
    ),
    Route(
        "GET",
        "/api/session/issuer/callback",
        issuer.callback,
        gives="text/html",
        errors=(401, 404, 503),
        parameters=(("query", "state", STRING), ("query", "code", STRING)),
        public=True,
    ),
    Route("GET", "/api/usage", usage.show, gives=usage.AskerUsage, errors=(401, 503), counts=False),
    Route(
        "POST",
        "/api/admin/keys",
        admin.create,
        body=admin.NewKey,
        gives=admin.MadeKey,
        statuses=(201,),
        errors=(400, 401, 413, 415, 503),
        scopes=("admin",),
        private=True,
        counts=True,
    ),
    Route(
        "GET",
        "/api/admin/keys",
        admin.listed,
        gives=admin.KeyList,
        errors=(401, 503),
        scopes=("admin",),
        private=True,
    ),
    Route(
        "POST",
        f"{_KEY}/rotate",
        admin.rotate,
        body=admin.Rotation,
        gives=admin.MadeKey,
        errors=(400, 401, 404, 409, 413, 415, 503),
        counts=True,
        scopes=("admin",),
        private=True,
    ),
    Route(
        "POST",
        f"{_KEY}/revoke",
        admin.revoke,
        gives=ShownKey,
        errors=(401, 404, 503),
        scopes=("admin",),
        private=True,
    ),
    Route(
        "GET",
        "/api/admin/usage",
        admin.usage,
        gives=admin.TenantUsage,
        errors=(401, 503),
        scopes=("admin",),
        private=True,
    ),
)
