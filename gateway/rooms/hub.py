"""
The rooms that have members at this gateway: one follower each, for as long as anybody is there.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import structlog

from gateway.edge.state import State
from gateway.relay.live import Live
from gateway.rooms.log import Member, Room
from gateway.rooms.place import Listener, Place
from shared.skipped import skipped

logger = structlog.get_logger("gateway.rooms.hub")


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
    async def enter(self, room: Room, model: str, member: Member) -> AsyncGenerator[Listener, None]:
        """Be there for as long as the block lasts. Raises `BrokerUnavailable`."""
        place = self._places.get(room.id)
        if place is None or place.closed or place.gone:
            place = self._places[room.id] = Place(self._state, room, self._gateway, model)
        listener = Listener(place, member)
        place.enter(listener)
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
