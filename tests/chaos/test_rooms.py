"""P19 where parts of a room break: everybody has the same transcript in the end, each thing once."""

import asyncio
import signal
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, WSServerHandshakeError

from tests.conftest import StartStack
from tests.kit.chat_client import script
from tests.kit.room_client import MemberClient, member, transcript
from tests.kit.stack import Stack
from worker.backends.script import expected_text

LENGTH = 80


class Faithful:
    """A member who comes back with their last position, at the gateways in turn, until all is said."""

    def __init__(self, session: ClientSession, stack: Stack, number: int, pause_s: float = 0) -> None:
        self._session, self._stack, self._number = session, stack, number
        #: For so long it reads nothing in mid-reply, as a laptop that sleeps.
        self._pause_s = pause_s
        self.log: list[dict[str, Any]] = []
        self.breaks = 0
        self.has_begun = asyncio.Event()

    async def stay(self, replies: int) -> None:
        """Until so many replies have ended."""
        turn = self._number
        while [each["type"] for each in self.log].count("stream_end") < replies:
            url = self._stack.gateways[turn % len(self._stack.gateways)].url
            after = self.log[-1]["position"] if self.log else "1-0"
            try:
                async with member(self._session, url, "r", f"user-{self._number}", after=after) as here:
                    while said := await here.next():
                        if "position" in said:
                            self.log.append(said)
                        if said["type"] == "stream_chunk":
                            self.has_begun.set()
                            await self._sleep(here)
                        if [each["type"] for each in self.log].count("stream_end") >= replies:
                            return
            except (ClientConnectionError, WSServerHandshakeError, TimeoutError):
                await asyncio.sleep(0.1)
            self.breaks += 1
            turn += 1

    async def _sleep(self, here: MemberClient) -> None:
        pause_s, self._pause_s = self._pause_s, 0
        if pause_s and here.socket._response.connection is not None:
            transport: Any = here.socket._response.connection.transport
            transport.pause_reading()
            await asyncio.sleep(pause_s)
            if not transport.is_closing():
                transport.resume_reading()


@pytest.mark.parametrize("fault", ["gateway", "worker", "broker"])
@pytest.mark.parametrize(
    ("members", "pause_s"),
    [(2, 2.0), pytest.param(50, 60.0, marks=[pytest.mark.long, pytest.mark.timeout(180)])],
    ids=["two", "fifty"],
)
async def test_killed_in_mid_reply(
    own_stack: StartStack, session: ClientSession, fault: str, members: int, pause_s: float
) -> None:
    """A part is killed while the model answers; one member reads nothing for a while, one comes late."""
    stack = await own_stack(gateways=2, workers=2)
    crowd = [Faithful(session, stack, number) for number in range(members)]
    crowd.append(Faithful(session, stack, 1, pause_s))
    staying = [asyncio.create_task(each.stay(2)) for each in crowd]
    async with member(session, stack.gateways[1].url, "r", "speaker") as speaker:
        await speaker.until("members")
        await speaker.say(script(length=LENGTH, rate=40), id="first")
        await asyncio.gather(*(each.has_begun.wait() for each in crowd))
        if fault == "gateway":
            stack.gateways[0].kill()
        elif fault == "worker":
            stack.workers[0].kill()
        else:
            stack.redis.client_kill_filter(_type="normal")
            stack.redis.client_kill_filter(_type="pubsub")
        late = Faithful(session, stack, 1)
        staying.append(asyncio.create_task(late.stay(2)))
        await speaker.until("stream_end")
        await speaker.say(script(length=5, rate=40), id="second")
        await speaker.until("stream_end")
    async with asyncio.timeout(30 + pause_s):
        await asyncio.gather(*staying)
    whole = transcript(late.log)
    texts = [text for kind, _, text in whole if kind == "stream_chunk"]
    assert texts == [expected_text({"length": LENGTH}), expected_text({"length": 5})]
    for each in crowd:
        assert each.log == late.log[: len(each.log)]
        assert transcript(each.log) == whole[: len(transcript(each.log))]
    if fault == "gateway":
        assert sum(each.breaks > 0 for each in crowd) >= members // 2


async def test_a_member_who_is_paused(own_stack: StartStack, session: ClientSession) -> None:
    """A gateway that stands still for too long: its members are said to have left, then to be back."""
    stack = await own_stack(gateways=2)
    async with (
        member(session, stack.gateways[0].url, "r", "paused") as paused,
        member(session, stack.gateways[1].url, "r", "ann") as ann,
    ):
        await ann.until("user_joined", userId="ann")
        await paused.until("user_joined", userId="ann")
        stack.gateways[0].signal(signal.SIGSTOP)
        await ann.say(script(length=10, rate=40))
        await ann.until("user_left", userId="paused")
        stack.gateways[0].signal(signal.SIGCONT)
        await ann.until("user_joined", userId="paused")
        await paused.until("user_joined", userId="paused")
        if not any(each["type"] == "stream_end" for each in ann.log):
            await ann.until("stream_end")
        count = min(len(paused.log), len(ann.log))
        assert paused.log[:count] == ann.log[:count]
