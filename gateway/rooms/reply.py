"""A room's reply: asked for in the room's name, carried over into its log by whichever gateway does it."""

import hashlib
import time

import msgspec
import structlog

from gateway.edge.limits import accept_for, bounded
from gateway.edge.state import State
from gateway.rooms.access import payer_of
from gateway.rooms.frames import ROOM, entry
from gateway.rooms.log import PAGE, Flag, Room, Said, UnderWay
from shared.asker import scope_of
from shared.errors import Conflict, Gone, HeadraceError, Internal, RateLimited
from shared.generation import Generation, Request, Submission
from shared.position import ORIGIN, Position

logger = structlog.get_logger("gateway.rooms.reply")

#: How long a reply that cannot be asked for is tried again.
_PATIENCE_S = 30.0
#: Greater than any event's position: what ends a reply in the room whose own end cannot be read.
_LAST = "999999999-0"


class _Message(msgspec.Struct):
    type: str
    content: str = ""
    name: str = ""
    #: Whether the model is to answer it.
    asks: bool = False


class Carrier:
    """Carries one room's replies over. Several may: each piece is taken once, by its position."""

    def __init__(self, state: State, room: Room) -> None:
        self._state = state
        self._room = room
        self._failing_since: float | None = None

    async def carry(self, model: str) -> bool:
        """
        Begin the reply that somebody waits for, or go on with the one under way, to its end. False when
        nobody waits for one. Raises `BrokerUnavailable`, and `Draining` when this gateway stops.
        """
        generation_id = f"gen_{self._state.broker.cells.new_suffix(self._room.cell)}"
        began = entry(
            "stream_start", generation_id=generation_id, conversation_id=self._room.name, model=model
        )
        under_way = await self._room.begin(generation_id, began)
        if under_way is None:
            return False
        try:
            generation = await self._asked_for(under_way, model)
            self._failing_since = None
            await self._carry(generation, under_way.said)
        except Gone:
            await self._end(under_way, Internal("The rest of this reply has expired."))
        except HeadraceError as error:
            if error.retryable and not isinstance(error, RateLimited) and not self._failed_long():
                raise
            await self._end(under_way, error)
        return True

    def _failed_long(self) -> bool:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        return now - self._failing_since > _PATIENCE_S

    async def _asked_for(self, under_way: UnderWay, model: str) -> Generation:
        """The generation, created unless it is there. Asking twice is asking once."""
        known = await self._state.generations.load(under_way.generation_id)
        if known is not None:
            return known
        message, payer = await self._messages(under_way), await payer_of(self._state, self._room)
        submission = Submission(
            generation_id=under_way.generation_id,
            owner=self._room.owner,
            tenant=scope_of(payer.tenant),
            weight=payer.weight,
            model=model,
            queue=self._state.models.queue_of(model),
            dialect=ROOM.name,
            request=Request(),
            conversation_id=self._room.name,
            message=message,
            on_busy="queue",
            idempotency_key=under_way.generation_id,
            digest=hashlib.sha256(message.encode()).hexdigest()[:32],
        )
        await accept_for(self._state, payer, bounded(payer, submission))
        await self._take_back_if_cleared(under_way)
        return await self._state.generations.load(under_way.generation_id) or submission.generation()

    async def _take_back_if_cleared(self, under_way: UnderWay) -> None:
        """What was cleared in the moment between its beginning and its being asked for is not remembered."""
        if (await self._room.fields()).get("active") != under_way.generation_id:
            stopped = await self._state.conversations.remove(self._room.owner, self._room.name)
            await self._state.generations.settle_stopped(stopped or [], "user")

    async def _messages(self, under_way: UnderWay) -> str:
        """What is to be answered, each with its sender's name. Raises `Conflict` when none of it is kept."""
        texts, after = [], under_way.first - 1
        while page := await self._room.read(after, under_way.last):
            for _, raw in page:
                said = msgspec.json.decode(raw, type=_Message)
                if said.type == "message" and said.asks:
                    texts.append(f"{said.name}:\n\n{said.content}")
            after = page[-1][0]
            if len(page) < PAGE:
                break
        if not texts:
            raise Conflict("What was to be answered is no longer kept.")
        return "\n\n".join(texts)

    async def _carry(self, generation: Generation, said: str) -> None:
        after = Position.parse(said) if said else ORIGIN
        async with self._state.relay.subscribe(generation, ROOM, after) as subscriber:
            while data := await subscriber.read():
                pieces = []
                # By nothing else that some call a line's end: a model may say that.
                for line in data.decode().rstrip("\n").split("\n"):
                    place, _, text = line.partition("\t")
                    position, _, word = place.partition(" ")
                    flag: Flag = "ends" if word == "ends" else ""
                    if flag == "ends":
                        text = await self._with_stopper(text, generation.id)
                    pieces.append(Said(text.encode(), position, flag))
                await self._room.say(pieces, generation.id)

    async def _with_stopper(self, text: str, generation_id: str) -> str:
        """A reply's last entry *text*, with who stopped it, where somebody did."""
        said = msgspec.json.decode(text)
        if said["type"] != "stopped":
            return text
        stopper = msgspec.json.decode((await self._room.fields()).get("stopper") or "{}")
        if stopper.get("generation_id") != generation_id:
            return text
        return msgspec.json.encode({**said, **stopper}).decode()

    async def _end(self, under_way: UnderWay, error: HeadraceError) -> None:
        logger.warning("a room's reply failed", generation=under_way.generation_id, code=error.code)
        failed = entry(
            "stream_error",
            code=error.code,
            message=error.message,
            generation_id=under_way.generation_id,
            conversation_id=self._room.name,
        )
        await self._room.say([Said(failed, _LAST, "ends")], under_way.generation_id)
