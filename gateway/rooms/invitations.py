"""
Invitations to a room: sealed by the deployment's secret, and kept in the room for as long as they hold.

Who was invited may invite others where the room's rules say so, for no longer than they may be there.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.rooms.log import Room
from shared.errors import Conflict, NotFound, Unauthorized
from shared.sealing import Sealing

InvitedRole = Literal["member", "reader"]

_KEPT = "invited:"
#: Invitations of a room that hold at the same time.
MOST = 200
_MOST_CHARS = 2048


class NewInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What somebody asks for."""

    role: InvitedRole = "member"
    expires_s: Annotated[int, Meta(ge=1, le=30 * 86400)] = 86400


class Invitation(msgspec.Struct, frozen=True):
    """What its token says."""

    owner: str
    room: str
    id: str
    role: InvitedRole
    expires_s: int


class Invitations:
    """Makes and checks them; any gateway checks any other's."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    async def make(
        self, room: Room, wanted: NewInvitation, by: Invitation | None = None
    ) -> tuple[Invitation, str]:
        """
        An invitation and its token. Raises `NotFound` when the room has gone, `Conflict` when too many hold.
        """
        fields = await room.fields()
        if not fields:
            raise NotFound("There is no room of that name.", field="room_id")
        now = int(time.time())
        ends = {name: int(kept.split(" ")[0]) for name, kept in fields.items() if name.startswith(_KEPT)}
        changes = {name: "" for name, until in ends.items() if until < now}
        if len(ends) - len(changes) >= MOST:
            raise Conflict(f"A room has {MOST} invitations at most: revoke some.")
        until = now + wanted.expires_s
        if by is not None:
            until = min(until, by.expires_s)
        invitation = Invitation(room.owner, room.name, secrets.token_hex(8), wanted.role, until)
        changes[f"{_KEPT}{invitation.id}"] = f"{until} {by.id if by else ''}"
        await room.change(changes)
        said = base64.urlsafe_b64encode(msgspec.json.encode(invitation)).decode().rstrip("=")
        return invitation, f"{said}.{await self._sealing.seal('invitation', said)}"

    async def read(self, token: str) -> Invitation:
        """What *token* says, whether or not it still holds. Raises `Unauthorized` where it is not ours."""
        said, _, seal = token.partition(".")
        if len(token) <= _MOST_CHARS and await self._sealing.opens("invitation", said, [seal]):
            raw = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
            return msgspec.json.decode(raw, type=Invitation)
        raise Unauthorized("`invitation` is none.")


def holds(fields: Mapping[str, str], invitation: Invitation) -> bool:
    """Whether a room's *fields* still have it, and those by which its sender was invited."""
    invited_by = invitation.id
    for _ in range(MOST):
        until, _, by = fields.get(f"{_KEPT}{invited_by}", "0 ").partition(" ")
        if int(until) < time.time():
            return False
        if not by:
            return True
        invited_by = by
    return False


async def revoke(room: Room, invitation_id: str) -> None:
    """Nobody enters by it any more. Raises `NotFound`."""
    if f"{_KEPT}{invitation_id}" not in await room.fields():
        raise NotFound("There is no invitation of that id.", field="invitation_id")
    await room.change({f"{_KEPT}{invitation_id}": ""})
