"""Conversations that were not asked for one by one: written to the broker as the server keeps them."""

import json
import time
from collections.abc import Sequence
from typing import Any

from shared import keys, messages
from shared.asker import ANONYMOUS
from shared.events import Usage
from shared.messages import Message

_TTL_S = 3600
_TURN_MS = 60_000


def write(
    broker: Any, conversation_id: str, title: str, turns: Sequence[tuple[str, str]], ago_s: float = 0
) -> None:
    """A conversation of these *turns*, each a question and its reply; the last one was *ago_s* ago."""
    now = int((time.time() - ago_s) * 1000)
    began = now - len(turns) * _TURN_MS
    said: list[bytes] = []
    for number, (question, reply) in enumerate(turns):
        ts, generation_id = began + number * _TURN_MS, f"gen_{conversation_id}_{number}"
        words = len(reply.split())
        said.append(
            messages.encode(Message(role="user", generation_id=generation_id, content=question, ts=ts))
        )
        said.append(
            messages.encode(
                Message(
                    role="assistant",
                    generation_id=generation_id,
                    content=reply,
                    ts=ts + 1000,
                    state="done",
                    model="local",
                    usage=Usage(words, words, 2 * words),
                )
            )
        )
    scope = f"{ANONYMOUS.owner}:{conversation_id}"
    headline = {
        "title": title,
        "created_ms": began,
        "updated_ms": now,
        "revision": 1,
        "bytes": sum(map(len, said)),
    }
    with broker.pipeline() as pipe:
        pipe.hset(keys.CONVERSATION + scope, mapping=headline)
        pipe.delete(keys.MESSAGES + scope)
        pipe.rpush(keys.MESSAGES + scope, *said)
        pipe.zadd(keys.CONVERSATIONS + ANONYMOUS.owner, {conversation_id: now})
        for key in (keys.CONVERSATION + scope, keys.MESSAGES + scope, keys.CONVERSATIONS + ANONYMOUS.owner):
            pipe.expire(key, _TTL_S)
        pipe.execute()


def end(broker: Any, conversation_id: str, facts: dict[str, Any]) -> None:
    """The last message of a conversation is kept with other *facts*."""
    key = f"{keys.MESSAGES}{ANONYMOUS.owner}:{conversation_id}"
    broker.lset(key, -1, json.dumps(json.loads(broker.lindex(key, -1)) | facts))
