"""
Webhooks on the end of responses in the background, as https://platform.openai.com/docs/guides/webhooks has
them, signed as https://www.standardwebhooks.com says.

An end is told at least once, and again until its receiver answers with 2xx; its `webhook-id` stays the same.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from gateway.edge.state import STATE, State
from shared.errors import BrokerRefused, BrokerUnavailable
from shared.generation import Generation
from shared.hooks import Due, Hooks

logger = structlog.get_logger("gateway.dialects.openai.webhooks")

#: So many are told at once: a receiver that is slow holds up few others.
_AT_ONCE = 4
_LOOKED_EVERY_S = 0.5
_TIMEOUT_S = 10.0
_PREFIX = "whsec_"


async def delivering(app: web.Application) -> AsyncIterator[None]:
    """Tell what is due for as long as the application runs, where somebody is to be told."""
    state = app[STATE]
    if not state.settings.webhook_url:
        yield
        return
    async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT_S)) as session:
        tasks = [asyncio.create_task(_deliver(state, session)) for _ in range(_AT_ONCE)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _deliver(state: State, session: ClientSession) -> None:
    hooks = Hooks(state.broker)
    while True:
        due = None
        with suppress(BrokerUnavailable, BrokerRefused):
            due = await hooks.take(state.settings.webhook_retry_s)
        if due is None:
            await asyncio.sleep(_LOOKED_EVERY_S)
            continue
        try:
            await _tell(state, session, hooks, due)
        except (BrokerUnavailable, BrokerRefused):
            pass  # due again later
        except Exception:  # a defect met by one end must not end the telling of all others
            logger.exception("an end cannot be told", generation=due.generation_id)


async def _tell(state: State, session: ClientSession, hooks: Hooks, due: Due) -> None:
    generation = await state.generations.load(due.generation_id)
    if generation is None or not generation.ended:
        return
    body = event_of(generation)
    headers = signed(f"evt_{_suffix(generation)}", int(time.time()), body, state.settings.webhook_key)
    try:
        async with session.post(
            state.settings.webhook_url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            status = answer.status
    except (ClientError, TimeoutError, OSError) as error:
        # By its kind alone: aiohttp's words may have the address, whose path may be a secret.
        logger.warning(
            "a webhook failed", generation=due.generation_id, tries=due.tries, error=type(error).__name__
        )
        return
    if 200 <= status < 300:
        await hooks.told(due.generation_id)
    else:
        logger.warning("a webhook was refused", generation=due.generation_id, tries=due.tries, status=status)


def event_of(generation: Generation) -> bytes:
    """What is told of an ended response: how it ended, and its id to retrieve it by."""
    kind = {"done": "completed", "failed": "failed", "cancelled": "cancelled"}[generation.state]
    if generation.state == "done" and generation.finish_reason in {"length", "content_filter"}:
        kind = "incomplete"
    suffix = _suffix(generation)
    event = {
        "id": f"evt_{suffix}",
        "object": "event",
        "created_at": (generation.ended_ms or generation.created_ms) // 1000,
        "type": f"response.{kind}",
        "data": {"id": f"resp_{suffix}"},
    }
    return msgspec.json.encode(event)


def signed(event_id: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    """*body*'s headers: an HMAC over its id, the moment (seconds since the epoch) and itself."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signature = hmac.new(key, f"{event_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _suffix(generation: Generation) -> str:
    return generation.id.removeprefix("gen_")
