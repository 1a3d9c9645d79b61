"""Generations in whatever state is wanted: made by a gateway without a worker, and two workers by hand."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientSession

from shared import keys
from shared.events import Error
from shared.generation import TERMINAL_STATES
from tests.kit import invariants
from tests.kit.chat_client import ChatClient
from tests.kit.hand import Hand, die, done
from tests.kit.local import Local

STATES = ("queued", "waiting", "running", "dead", "back", "restored", "done", "failed", "cancelled")
Step = Callable[["Table", str], Awaitable[str]]


class Table:
    """One gateway without a worker, two workers by hand, and a generation in whatever state is wanted."""

    def __init__(self, local: Local, session: ClientSession) -> None:
        self.local = local
        self.redis: Any = local.redis
        [self.cell] = local.state.broker.cells
        self.chat = ChatClient(session, local.url)
        self.first, self.second = Hand(local.state.broker, "a"), Hand(local.state.broker, "b")

    async def make(self, state: str, name: str) -> str:
        """A generation in *state*, in a conversation of its own; gives its id."""
        fields: dict[str, Any] = {"conversation_id": name, "on_busy": "queue"}
        async with await self.chat.send("Hello", **fields, headers={"Idempotency-Key": name}) as reader:
            generation_id = reader.generation_id
        if state == "waiting":
            await self.first.begin(generation_id)
            async with await self.chat.send("Next", **fields) as reader:
                return reader.generation_id
        if state != "queued":
            await self.first.begin(generation_id)
        match state:
            case "dead":
                die(self.redis, generation_id)
            case "back":
                assert await self.first.release(generation_id)
            case "restored":
                self.lose(generation_id)
                assert await self.first.restore(generation_id)
            case "done":
                # Nobody here tells of it.
                self.redis.hset(keys.RECORD + generation_id, "hook", "1")
                await self.first.write(generation_id, done())
            case "failed":
                await self.first.write(generation_id, Error(ts=4, code="upstream_broke", message="It broke."))
            case "cancelled":
                die(self.redis, generation_id)
                assert (await self.chat.cancel(generation_id)).body["status"] == "cancelled"
        return generation_id

    def lose(self, generation_id: str) -> None:
        """The broker has lost all that it knew of it."""
        record = self.record(generation_id)
        # Its key is the conversation's name, which the record itself may have forgotten.
        scope = f"{record['owner']}:{record['conversation']}"
        self.redis.delete(*(name + generation_id for name in (keys.RECORD, keys.LOG, keys.JOB)))
        self.redis.delete(keys.CONVERSATION + scope, keys.MESSAGES + scope, keys.IDEMPOTENCY + scope)
        self.redis.zrem(keys.QUEUE + "scripted", generation_id)

    def record(self, generation_id: str) -> dict[str, str]:
        """All its fields."""
        fields = self.redis.hgetall(keys.RECORD + generation_id)
        return {name.decode(): value.decode() for name, value in fields.items()}

    def stands(self, generation_id: str) -> str:
        """Its state, and its attempt where that is not the first."""
        record = self.record(generation_id)
        attempt = record.get("attempt", "1")
        return record.get("state", "gone") + (f" {attempt}" if attempt != "1" else "")

    async def row(self, event: str, step: Step, states: tuple[str, ...] = STATES) -> dict[str, str]:
        """What *step* answers in each state, and how the generation stands then."""
        cells = {}
        for state in states:
            generation_id = await self.make(state, f"{event}-{state}")
            answer = await step(self, generation_id)
            assert not (eternal := invariants.keys_without_ttl(self.redis)), (state, eternal)
            if self.stands(generation_id).split()[0] in TERMINAL_STATES:
                assert self.redis.zscore(keys.QUEUE + "scripted", generation_id) is None, state
            cells[state] = f"{answer} -> {self.stands(generation_id)}"
        return cells
