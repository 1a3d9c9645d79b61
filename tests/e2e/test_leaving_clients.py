"""Clients that close their connection to a running `headrace up`, and what its model server sees of it."""

import asyncio
import time
from itertools import product
from typing import Any

from aiohttp import ClientSession
from openai import AsyncOpenAI

from tests.e2e.system import ABANDON_GRACE_S, LEASE_S, System
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.openai_streams import said

#: What a busy machine may need beside the grace and the renewal at which it is noticed.
SLACK_S = 1.0
#: Enough to be written for longer than the grace.
DELTAS = 40


async def asked(system: System, session: ClientSession, message: str) -> dict[str, Any] | None:
    """What the model server has seen of *message*; None before it was asked."""
    requests = await system.asked(session)
    return next((each for each in requests if each["body"]["messages"][-1]["content"] == message), None)


async def test_a_client_that_leaves_stops_the_model(
    system: System, openai: AsyncOpenAI, session: ClientSession
) -> None:
    """Streamed or not, before or after the first token: the upstream is closed within the grace."""

    async def leave(responses: bool, stream: bool, delay_s: float) -> float:
        message = script(
            rate=20, length=1000, first_token_delay_s=delay_s, seed=10 * delay_s + 2 * stream + responses
        )
        options: Any = {"model": "upstream", "stream": stream}
        asking: asyncio.Future[Any] = asyncio.ensure_future(
            openai.responses.create(input=message, **options)
            if responses
            else openai.chat.completions.create(messages=said(message), **options)
        )
        await eventually(lambda: is_asked(message, steps=not delay_s), "the model server is asked")
        if stream:
            answer = await asking
            if not delay_s:
                await anext(answer)
            await answer.close()
        else:
            asking.cancel()
        left = time.time()
        await eventually(lambda: is_left(message), "the model server's client leaves")
        seen = await asked(system, session, message)
        assert seen is not None
        return float(seen["disconnected"] - left)

    async def is_asked(message: str, steps: bool) -> bool:
        seen = await asked(system, session, message)
        return seen is not None and (seen["steps"] > 0 or not steps)

    async def is_left(message: str) -> bool:
        seen = await asked(system, session, message)
        return seen is not None and seen["disconnected"] is not None

    ways = product((False, True), (False, True), (0, 60))
    taken = await asyncio.gather(*(leave(*way) for way in ways))
    # The worker looks three times a lease, and the gateway counts as a reader for 0.4 of one longer.
    assert max(taken) < ABANDON_GRACE_S + LEASE_S / 3 + 0.4 * LEASE_S + SLACK_S, taken


async def test_clients_may_leave_what_is_to_continue(
    system: System, openai: AsyncOpenAI, chat: ChatClient, session: ClientSession
) -> None:
    """A native, a background and an `on_disconnect: continue` answer come to their own end unwatched."""
    messages = [script(rate=20, length=DELTAS, seed=1000 + n) for n in range(4)]
    async with await chat.send(messages[0], model="upstream") as reader:
        await reader.until("chunk")
    stream: Any = await openai.responses.create(
        model="upstream", input=messages[1], stream=True, background=True
    )
    await anext(stream)
    await stream.close()
    await openai.responses.create(model="upstream", input=messages[2], background=True)
    stream = await openai.chat.completions.create(
        model="upstream",
        messages=said(messages[3]),
        stream=True,
        extra_body={"on_disconnect": "continue"},
    )
    await anext(stream)
    await stream.close()

    async def whole() -> bool:
        seen = [await asked(system, session, message) for message in messages]
        return [each and each["steps"] for each in seen] == [DELTAS + 1] * len(messages)

    await eventually(whole, "all of them are written to their ends", 10)
