"""One room at this gateway: what is said there, its members' presence, and the reply that it carries over."""

import asyncio
import math
import time
from collections import deque
from contextlib import suppress

import structlog

from gateway.edge.remembered import Remembered
from gateway.edge.state import State
from gateway.rooms.frames import entry
from gateway.rooms.identity import PLAIN
from gateway.rooms.log import Member, Room, RoomPosition, lines
from gateway.rooms.pace import Pace
from gateway.rooms.reply import Carrier
from shared.errors import BrokerRefused, BrokerUnavailable, HeadraceError, NotFound

logger = structlog.get_logger("gateway.rooms.place")

#: Presence is renewed three times in its life.
_PRESENCE_S = 6.0
_RENEW_S = 2.0
#: Entries kept in memory for members who are at the end of the log; others read the broker's.
_RECENT = 500
#: Fleeting words that wait for one member; of more, the oldest are not worth it.
_FLEETING = 20
#: Whose connection broke has not left yet: they may be back in a moment, here or at another gateway.
_GRACE_S = 3.0
#: How old what is known of a room's rights may be.
_FRESH_S = 1.0


class Listener:
    """One member's connection, at its own place in the log."""

    def __init__(self, place: "Place", member: Member) -> None:
        self._place = place
        self.member = member
        self.cursor = 0
        #: Said before anything else: what it has read is not what the log has.
        self.rewound: bytes | None = None
        #: It has said that it goes, so that nobody waits for its coming back.
        self.says_goodbye = False
        self.more = asyncio.Event()
        self.fleeting: deque[bytes] = deque(maxlen=_FLEETING)

    def resume(self, after: RoomPosition) -> None:
        """Go on after there; from where the log still agrees, where it does not have that place."""
        place, number = self._place, after.number
        if number and after.life != place.life:
            self.rewind(0)
        elif number > place.top:
            self.rewind(place.top)
        else:
            self.cursor = number
            self.more.set()

    def rewind(self, to: int) -> None:
        """Go back to *to*, and say so."""
        self.cursor = to
        self.rewound = entry("rewound", to=f"{self._place.life}-{to}")
        self.more.set()

    async def next(self) -> tuple[int, list[tuple[int, bytes]]]:
        """
        Where it stands, and what follows in the log, as soon as there is anything; nothing when there is only
        something that is in no log. Raises `BrokerUnavailable`, and `NotFound` once the room has gone.
        """
        while True:
            self.more.clear()
            if self._place.gone:
                raise NotFound("This room has gone.", field="room_id")
            if self._place.top > self.cursor:
                after = self.cursor
                page = await self._place.after(after)
                if page and after == self.cursor:
                    self.cursor = page[-1][0]
                    return after, page
            if self.fleeting or self.rewound:
                return self.cursor, []
            await self.more.wait()


class Place:
    """One room at this gateway."""

    def __init__(self, state: State, room: Room, gateway: str, model: str) -> None:
        self.room = room
        self.top = 0
        #: Which life of the room it is; '' until that is known.
        self.life = ""
        self.pace = Pace()
        self.listeners: set[Listener] = set()
        self.present: list[bytes] = []
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=_RECENT)
        self._state, self._gateway = state, gateway
        self._carrier = Carrier(state, room)
        self._model = model
        self._carrying: asyncio.Task[bool] | None = None
        self._poke = asyncio.Event()
        #: Who has left, and when that is to be said.
        self._left: dict[str, tuple[Member, float]] = {}
        self._fields = Remembered(lambda _: room.fields(), _FRESH_S)
        self._meeting = asyncio.Lock()
        #: How often somebody has asked to meet, up to whose asking there is an answer, and if it is none.
        self._asked = self._answered = 0
        self._is_away = False
        self.closed = False
        #: The broker has it no more.
        self.gone = False
        self.task: asyncio.Task[None] | None = None

    def heard(self, payload: bytes) -> None:
        """A push: entries of the log, or something fleeting."""
        for number, said in lines(payload):
            if number is None:
                for listener in self.listeners:
                    listener.fleeting.append(said)
                    listener.more.set()
            elif number > self.top:
                if number != self.top + 1:
                    self._recent.clear()
                self._recent.append((number, said))
                self._rise(number)
        self._poke.set()

    def subscribed(self) -> None:
        """Something may have been missed."""
        self._poke.set()

    async def after(self, number: int) -> list[tuple[int, bytes]]:
        """The entries after that one."""
        if self._recent and self._recent[0][0] <= number + 1:
            return [each for each in self._recent if each[0] > number]
        return await self.room.read(number)

    async def fields(self) -> dict[str, str]:
        """The room's, as they were a moment ago."""
        return await self._fields.get(self.room.id)

    def enter(self, listener: Listener) -> None:
        """It is here."""
        self.listeners.add(listener)
        self._left.pop(listener.member.id, None)

    def leave(self, listener: Listener) -> None:
        """It is not here any more; its member may be, by another connection."""
        self.listeners.discard(listener)
        self._gone(listener.member, 0 if listener.says_goodbye else _GRACE_S)

    def rename(self, listener: Listener, member: Member) -> None:
        """It is *member* from here on."""
        before, listener.member = listener.member, member
        self._left.pop(member.id, None)
        self._gone(before, 0)

    def _gone(self, member: Member, within_s: float) -> None:
        if member.held_by.startswith(PLAIN):
            # Who comes back without a word is taken for the one whose connection broke.
            member = Member(member.id, member.joined, member.left, "")
        if member.id not in {other.member.id for other in self.listeners}:
            self._left[member.id] = member, time.monotonic() + within_s
        self._poke.set()

    async def meet(self) -> None:
        """Tell the room who is here, and learn what it has. Raises `BrokerUnavailable`."""
        # One after another, over whatever connections: who has just left must not come back by an older word.
        # Those who wait meanwhile are told of together, and hear together that the broker is away.
        asked = self._asked = self._asked + 1
        async with self._meeting:
            if self._answered < asked:
                answers = self._asked
                try:
                    await self._meet()
                except BrokerUnavailable:
                    self._answered, self._is_away = answers, True
                    raise
                self._answered, self._is_away = answers, False
            elif self._is_away:
                raise BrokerUnavailable

    async def _meet(self) -> None:
        known, now = self.top, time.monotonic()
        here = {listener.member.id: listener.member for listener in self.listeners}
        here |= {member.id: member for member, at in self._left.values() if at > now}
        left = [member for member, at in self._left.values() if at <= now]
        if self._state.draining:
            # All who are here are on their way to another gateway, which is to carry from now on.
            here, left = {}, []
            self._left.clear()
        meeting = await self.room.meet(self._gateway, int(_PRESENCE_S * 1000), list(here.values()), left)
        for member in left:
            if self._left.get(member.id, (None, now + 1))[1] <= now:
                del self._left[member.id]
        self.present = meeting.members
        if meeting.top < 0 or meeting.life != (self.life or meeting.life):
            self._put_back(-1)
            return
        self.life = meeting.life
        if meeting.top < known:
            self._put_back(meeting.top)
        elif meeting.top > self.top:
            # Heard of before its push, or without one: readers go to the log.
            self._recent.clear()
            self._rise(meeting.top)
        if meeting.carries and self._carrying is None:
            self._carrying = asyncio.create_task(self._carrier.carry(self._model))
            self._carrying.add_done_callback(self._carried)
        elif not meeting.carries and self._carrying is not None:
            self._carrying.cancel()

    async def run(self) -> None:
        """Until nobody is here any more."""
        try:
            while (self.listeners or self._left) and not self.gone:
                try:
                    await self.meet()
                except BrokerUnavailable:
                    await asyncio.sleep(0.2)
                    continue
                except BrokerRefused:
                    logger.error("a room cannot be kept", room=self.room.name)
                self._poke.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._next_s()):
                        await self._poke.wait()
        finally:
            self.closed = True
            if self._carrying is not None:
                self._carrying.cancel()
                await asyncio.wait([self._carrying])

    def _next_s(self) -> float:
        due = min((at for _, at in self._left.values()), default=math.inf) - time.monotonic()
        return max(0.0, min(_RENEW_S, due))

    def _put_back(self, top: int) -> None:
        """The broker has lost what followed *top*, or (-1) all of it: members must not wait for that."""
        logger.warning("a room's log was put back", room=self.room.name, top=top)
        self.gone = top < 0
        self.top = max(top, 0)
        self._recent.clear()
        for listener in self.listeners:
            if listener.cursor > self.top:
                listener.rewind(self.top)
            listener.more.set()

    def _rise(self, top: int) -> None:
        self.top = top
        for listener in self.listeners:
            listener.more.set()

    def _carried(self, task: "asyncio.Task[bool]") -> None:
        self._carrying = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            if task.result():
                self._poke.set()  # somebody may wait for the next
        elif isinstance(error, HeadraceError):
            logger.warning("a room's reply waits", room=self.room.name, code=error.code)
        else:
            logger.error("a room's reply cannot be carried over", room=self.room.name, exc_info=error)
