"""
What a member of a room asks for: to say something, be known to write, stop the reply, clear, invite, resume.

A client of the tutorial's says who it is in what it sends, and not when it connects: whoever came without an
id goes by the first that they say.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.edge.body import checked, checked_id, clean_text
from gateway.edge.limits import count_apart
from gateway.edge.state import ASKER, STATE
from gateway.rooms.access import Entered
from gateway.rooms.frames import entry
from gateway.rooms.identity import Caller, Identity
from gateway.rooms.invitations import Invitations, NewInvitation
from gateway.rooms.log import Member, Said, position_of
from gateway.rooms.pace import Pace
from gateway.rooms.place import Listener, Place
from shared.errors import Conflict, Forbidden, InvalidRequest, NotFound, TooBusy
from shared.outcome import stopped_unbegun
from shared.tenants import is_reserved

_TYPING_S = 1.0
#: What costs the room nothing that it counts: each connection has a pace of its own for it.
_FREE = frozenset(("stop", "clear", "resume"))
_MENTION = re.compile(r"(?<!\w)@assistant\b", re.IGNORECASE)


class In(msgspec.Struct):
    """Whatever a member sends; fields that it does not know are passed over."""

    type: str
    message: str | None = None
    userId: str | None = None
    id: str | None = None
    after: str | None = None
    role: str | None = None
    expires_s: int | None = None


def member_of(identity: Identity, entered: Entered) -> Member:
    """*identity* as a member of the room that it has *entered*."""
    about = {"userId": identity.user_id, "name": identity.name, "role": entered.role}
    joined, left = entry("user_joined", **about), entry("user_left", **about)
    return Member(identity.user_id, joined, left, identity.held_by)


class Acts:
    """Of one member's connection."""

    def __init__(
        self,
        request: web.Request,
        entered: Entered,
        place: Place,
        listener: Listener,
        caller: Caller,
        reply: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """*reply* tells something to this member alone."""
        self._request, self._state = request, request.app[STATE]
        self._entered, self._place, self._listener = entered, place, listener
        self._caller, self._reply = caller, reply
        self.identity = caller.identity
        self._typed_at = 0.0
        self._pace = Pace()

    async def take(self, said: In) -> None:
        """Do what *said* asks for. Raises what its sender is to be told."""
        if said.userId is not None and said.userId not in {self.identity.user_id, self._caller.wanted}:
            await self._go_by(said.userId)
        if said.type in _FREE:
            self._pace.take(self.identity.user_id)
        match said.type:
            case "send_message":
                await self._say(said)
            case "user_typing":
                await self._type()
            case "stop":
                await self._stop()
            case "clear":
                await self._clear()
            case "invite":
                await self._invite(said)
            case "resume":
                self._listener.resume(position_of(said.after))
            case _:
                raise InvalidRequest(f"No message of a room is called {said.type[:40]!r}.", field="type")

    async def _say(self, said: In) -> None:
        self._check_writes()
        text = clean_text(said.message or "", "message", self._state.settings.max_message_chars)
        once = ""
        if said.id is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()[:32]
            once = f"{self.identity.user_id}/{checked_id(said.id, 'id')} {digest}"
        asks = self._entered.rules.answers == "every" or _MENTION.search(text) is not None
        self._place.pace.take(self.identity.user_id)
        asker = self._request.get(ASKER)
        if asks and asker is not None and is_reserved(asker.tenant):
            await count_apart(self._state, asker)  # the room's payer is nobody, whose address is not known
        words = entry(
            "message",
            **self._who(),
            role=self._entered.role,
            content=text,
            message=text,
            id=said.id,
            conversation_id=self._entered.room.name,
            asks=asks or None,
        )
        await self._entered.room.say([Said(words, once, "asks" if asks else "")])

    async def _type(self) -> None:
        self._check_writes()
        now = time.monotonic()
        if now - self._typed_at >= _TYPING_S:
            self._typed_at = now
            await self._entered.room.say([Said(entry("user_typing", **self._who()), flag="fleeting")])

    async def _stop(self) -> None:
        room, rules = self._entered.room, self._entered.rules
        if not self._entered.may(rules.may_stop):
            raise Forbidden("You may not stop replies here.")
        fields = await room.fields()
        active = fields.get("active")
        if active is None:
            raise Conflict("No reply is under way here.")
        if f'"{active}"' not in fields.get("stopper", ""):
            # Whoever was first is named.
            stopper = {"generation_id": active, **self._who()}
            await room.change({"stopper": msgspec.json.encode(stopper).decode()})
        try:
            await self._state.generations.cancel(active, room.owner, "user")
        except NotFound as error:
            raise TooBusy("The reply has not begun yet: stop it again.", retry_after_s=1) from error

    async def _clear(self) -> None:
        room, rules = self._entered.room, self._entered.rules
        if not self._entered.may(rules.may_clear):
            raise Forbidden("You may not clear this room.")
        about = {"generation_id": "{id}", "conversation_id": room.name, "reason": "user"}
        stopped = await room.clear(
            entry("cleared", **self._who()), entry("stopped", **about, **self._who()), stopped_unbegun("user")
        )
        await self._state.generations.settle_stopped(stopped, "user")

    async def _invite(self, said: In) -> None:
        if not self._entered.may(self._entered.rules.may_invite):
            raise Forbidden("You may not invite others here.")
        wanted = checked({"role": said.role, "expires_s": said.expires_s}, NewInvitation)
        self._place.pace.take(self.identity.user_id)
        invitations = Invitations(self._state.sealing)
        made, token = await invitations.make(self._entered.room, wanted, self._entered.invitation)
        about = {"id": made.id, "invitation": token, "role": made.role, "expires_ms": made.expires_s * 1000}
        await self._reply(entry("invitation", **about))

    def _check_writes(self) -> None:
        if self._entered.role == "reader":
            raise Forbidden("You may read here, and not write.")

    def _who(self) -> dict[str, str]:
        return {"userId": self.identity.user_id, "name": self.identity.name}

    async def _go_by(self, user_id: str) -> None:
        """Be *user_id* from here on, whose connection named none."""
        if self._caller.wanted is not None:
            raise InvalidRequest(
                f"You are {self.identity.user_id!r} here: connect with ?userId= to be another.",
                field="userId",
            )
        self._pace.take(self.identity.user_id)
        self.identity = await self._caller.identify(self._entered, checked_id(user_id, "userId"))
        self._place.rename(self._listener, member_of(self.identity, self._entered))
        await self._place.meet()
