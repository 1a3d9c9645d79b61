"""
The rooms that have members at this gateway: one follower each, which hears what is said, keeps the members'
presence alive, and carries the reply over while that is this gateway's turn.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from gateway.edge.state import State
from gateway.relay.live import Live
from gateway.rooms.frames import entry
from gateway.rooms.log import Member, Room, lines
from gateway.rooms.reply import Carrier
from shared.errors import BrokerRefused, BrokerUnavailable, HeadraceError, NotFound
from shared.skipped import skipped

logger = structlog.get_logger("gateway.rooms.hub")

#: Presence is renewed three times in its life.
_PRESENCE_S = 6.0
_RENEW_S = 2.0
#: Entries kept in memory for members who are at the end of the log; others read the broker's.
_RECENT = 500
#: Fleeting words that wait for one member; of more, the oldest are not worth it.
_FLEETING = 20


class Listener:
    """One member's connection, at its own place in the log."""

    def __init__(self, place: "Place", member: Member, after: int) -> None:
        self._place = place
        self.member = member
        self.cursor = after
        self.more = asyncio.Event()
        self.fleeting: deque[bytes] = deque(maxlen=_FLEETING)

    async def next(self) -> tuple[int, list[tuple[int, bytes]]]:
        """
        Where it stands, and what follows in the log, as soon as there is anything; nothing when there is only
        something fleeting. Raises `BrokerUnavailable`, and `NotFound` once the room has gone.
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
            if self.fleeting:
                return self.cursor, []
            await self.more.wait()


class Place:
    """One room at this gateway."""

    def __init__(self, state: State, room: Room, gateway: str, model: str) -> None:
        self.room = room
        self.top = 0
        self.listeners: set[Listener] = set()
        self.present: list[bytes] = []
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=_RECENT)
        self._gateway = gateway
        self._carrier = Carrier(state, room)
        self._model = model
        self._carrying: asyncio.Task[bool] | None = None
        self._poke = asyncio.Event()
        self._left: list[Member] = []
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

    def members(self) -> list[Member]:
        """Those who are here, each once."""
        return list({listener.member.id: listener.member for listener in self.listeners}.values())

    def leave(self, listener: Listener) -> None:
        """It is not here any more; its member may be, by another connection."""
        self.listeners.discard(listener)
        if listener.member.id not in {other.member.id for other in self.listeners}:
            self._left.append(listener.member)
        self._poke.set()

    async def meet(self) -> None:
        """Tell the room who is here, and learn what it has. Raises `BrokerUnavailable`."""
        (left, self._left), known = (self._left, []), self.top
        try:
            meeting = await self.room.meet(self._gateway, int(_PRESENCE_S * 1000), self.members(), left)
        except BrokerUnavailable:
            self._left = left + self._left
            raise
        self.present = meeting.members
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
            while self.listeners or self._left:
                try:
                    await self.meet()
                except BrokerUnavailable:
                    await asyncio.sleep(0.2)
                    continue
                except BrokerRefused:
                    logger.error("a room cannot be kept", room=self.room.name)
                self._poke.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RENEW_S):
                        await self._poke.wait()
        finally:
            self.closed = True
            if self._carrying is not None:
                self._carrying.cancel()
                await asyncio.wait([self._carrying])

    def _put_back(self, top: int) -> None:
        """The broker has lost what followed *top*, or (-1) all of it: members must not wait for that."""
        logger.warning("a room's log was put back", room=self.room.name, top=top)
        self.gone = top < 0
        self.top = max(top, 0)
        self._recent.clear()
        for listener in self.listeners:
            if listener.cursor > self.top:
                listener.cursor = self.top
                listener.fleeting.append(entry("rewound", to=f"1-{self.top}"))
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


class Rooms:
    """All of them; `run` is their task."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._gateway = uuid.uuid4().hex[:12]
        self._places: dict[str, Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._live = Live(state.broker, self._heard, self._subscribed)

    async def run(self) -> None:
        """Follow the live connection for ever."""
        try:
            await self._live.run()
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    @asynccontextmanager
    async def enter(
        self, room: Room, model: str, member: Member, after: int
    ) -> AsyncGenerator[Listener, None]:
        """Be there for as long as the block lasts. Raises `BrokerUnavailable`."""
        place = self._places.get(room.id)
        if place is None or place.closed or place.gone:
            place = self._places[room.id] = Place(self._state, room, self._gateway, model)
        listener = Listener(place, member, after)
        place.listeners.add(listener)
        try:
            await self._live.subscribe(room.id)
            await place.meet()
            self._follow(place)
            yield listener
        finally:
            place.leave(listener)
            self._follow(place)

    def place(self, room: Room) -> Place:
        """Where its members are."""
        return self._places[room.id]

    def count(self, room: Room) -> int:
        """Connections of members here."""
        place = self._places.get(room.id)
        return len(place.listeners) if place else 0

    def _follow(self, place: Place) -> None:
        if place.task is not None and not place.task.done():
            return
        task = place.task = asyncio.create_task(self._keep(place))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _keep(self, place: Place) -> None:
        await place.run()
        if self._places.get(place.room.id) is place:
            del self._places[place.room.id]
            self._live.unsubscribe(place.room.id)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a room is not followed any more", exc_info=error)

    def _heard(self, room_id: str, payload: bytes) -> None:
        place = self._places.get(room_id)
        if place is None:
            return
        try:
            place.heard(payload)
        except (ValueError, msgspec.DecodeError):
            skipped("push", "malformed")
            place.subscribed()

    def _subscribed(self, room_id: str) -> None:
        place = self._places.get(room_id)
        if place is not None:
            place.subscribed()
