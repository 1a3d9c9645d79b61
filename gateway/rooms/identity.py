"""
By which id and name somebody goes in a room, so that nobody there is taken for another.

An id is held by whoever came with it first, for as long as they are there. That the same one comes again is
told by a secret that their client made up (`?member=`), or by the cookie that a browser was given for one. An
id that somebody else holds is made distinct, not refused: a client that knows of no ids goes on. A room whose
creator has a key is theirs: what they have gone by is nobody else's, and one key is one person.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiohttp import web

from gateway.edge.body import checked_id, clean_name
from gateway.edge.sessions import is_secure
from gateway.edge.state import ASKER
from gateway.rooms.access import CREATORS, Entered
from gateway.rooms.log import Wanted
from shared.asker import ANONYMOUS
from shared.errors import InvalidRequest, Taken
from shared.names import alike

#: Begins what holds the id of somebody who brings nothing to be known by, unless a browser keeps its cookie.
PLAIN = "plain-"
_COOKIE = "headrace_member"
_COOKIE_LIVES_S = 30 * 86400
_MOST_NAME_CHARS = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
#: How long an id is held for whoever has come in and is not there yet.
_COMING_MS = 6_000
#: Ids of the creator's that are kept: each is looked through whenever somebody comes.
_MOST_OF_CREATOR = 200
_MOST_ID_CHARS = 100


class _There(msgspec.Struct):
    userId: str
    name: str


class Identity(NamedTuple):
    """Who somebody is in a room, and by what their id is held."""

    user_id: str
    name: str
    held_by: str


class Caller:
    """Whoever sent *request*: what tells that it is the same one again."""

    def __init__(self, request: web.Request) -> None:
        """Raises `InvalidRequest` for an odd query."""
        self._request, query = request, request.query
        #: The id that it asked to have; None as long as it has not.
        self.wanted = checked_id(query["userId"], "userId") if query.get("userId") else None
        self._name = clean_name(query["name"], "name", _MOST_NAME_CHARS) if query.get("name") else ""
        given, kept = query.get("member"), request.cookies.get(_COOKIE, "")
        if given is not None and not _SECRET.fullmatch(given):
            raise InvalidRequest("`member` is 16 to 128 letters and digits of your own.", field="member")
        self._is_known = _SECRET.fullmatch(kept) is not None
        known = [secret for secret in (kept if self._is_known else None, given) if secret]
        self._comes_again = bool(known)
        self._secrets = known or [secrets.token_urlsafe(24)]
        self.identity = Identity("", "", "")

    def remember(self, response: web.StreamResponse) -> None:
        """Have a browser bring it again, which sends no more than the tutorial's page does."""
        if not self._is_known:
            response.set_cookie(
                _COOKIE,
                self._secrets[0],
                max_age=_COOKIE_LIVES_S,
                path="/",
                httponly=True,
                samesite="Strict",
                secure=is_secure(self._request),
            )

    async def identify(self, entered: Entered, wanted: str | None) -> Identity:
        """
        Who it is in the room that it has *entered*, and where it wants to be *wanted*. Raises `Taken` where
        that is the creator's.
        """
        user_id = wanted or f"guest-{secrets.token_hex(4)}"
        room, fields = entered.room, await entered.room.fields()
        holds = [_held_by(room.id, secret) for secret in self._secrets]
        # A browser's first connection had no cookie yet.
        proofs = [*(holds if self._comes_again else ()), *(f"{PLAIN}{hold}" for hold in holds)]
        of_creator = f"{CREATORS}{user_id}"
        is_creators = entered.invitation is None and self._request[ASKER].owner != ANONYMOUS.owner
        if is_creators:
            proofs = ["creator"]
            if of_creator not in fields and _count(fields, CREATORS) < _MOST_OF_CREATOR:
                await room.change({of_creator: "1"})
        elif of_creator in fields:
            raise Taken("Somebody else goes by this `userId` here.", field="userId")
        base = user_id[:_MOST_ID_CHARS]
        mark = proofs[0].removeprefix(PLAIN)
        ids = [user_id, f"{base}-{mark[:4]}", f"{base}-{mark[:12]}"]
        would_do = [self._called(each) for each in ids]
        folded = [Wanted(each.user_id, alike(each.name), alike(_mark(each))) for each in would_do]
        found = await room.enter(folded, proofs, _COMING_MS, surely=is_creators)
        if found is None:
            raise Taken("Somebody else goes by this `userId` here.", field="userId")
        self.wanted = wanted
        mine, held_by, marks = found
        identity = self._called(mine)
        name = identity.name + _mark(identity) * marks
        while _is_called(fields, mine, name):
            name += _mark(identity)
        self.identity = Identity(mine, name, held_by)
        return self.identity

    def _called(self, user_id: str) -> Identity:
        return Identity(user_id, self._name or user_id, "")


def _mark(identity: Identity) -> str:
    """What tells it from another of that name."""
    return f" ({identity.user_id})"


def _is_called(fields: Mapping[str, str], user_id: str, name: str) -> bool:
    """Whether somebody else who is there is called so, whom a version let in that noted no names."""
    others = [
        msgspec.json.decode(there, type=_There)
        for field, there in fields.items()
        if field.startswith("joined:")
    ]
    folded = alike(name)
    return any(other.userId != user_id and alike(other.name) == folded for other in others)


def _held_by(room_id: str, secret: str) -> str:
    return hashlib.sha256(f"member:{room_id}:{secret}".encode()).hexdigest()[:32]


def _count(fields: Mapping[str, str], prefix: str) -> int:
    return sum(field.startswith(prefix) for field in fields)
