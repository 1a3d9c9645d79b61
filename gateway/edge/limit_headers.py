"""
What an answer tells of its asker's limits: the field's own headers, and those that a dialect's clients look
for.
"""

import datetime
import math

from shared.ledger import Room, Verdict

_WINDOW_S = 60


def common(verdict: Verdict) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
    rooms = {name: room for name, room in _rooms(verdict).items() if room is not None}
    if not rooms:
        return {}
    policy = [f'"{name}";q={room.most};w={_WINDOW_S}' for name, room in rooms.items()]
    left = [f'"{name}";r={room.left};t={seconds(room)}' for name, room in rooms.items()]
    return {"RateLimit-Policy": ", ".join(policy), "RateLimit": ", ".join(left)}


def openai(verdict: Verdict) -> dict[str, str]:
    """As OpenAI's clients read them."""
    told = {}
    for name, room in _rooms(verdict).items():
        if room is not None:
            told[f"x-ratelimit-limit-{name}"] = str(room.most)
            told[f"x-ratelimit-remaining-{name}"] = str(room.left)
            told[f"x-ratelimit-reset-{name}"] = f"{seconds(room)}s"
    return told


def anthropic(verdict: Verdict) -> dict[str, str]:
    """As Anthropic's clients read them."""
    told = {}
    for name, room in _rooms(verdict).items():
        if room is not None:
            more_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds(room))
            told[f"anthropic-ratelimit-{name}-limit"] = str(room.most)
            told[f"anthropic-ratelimit-{name}-remaining"] = str(room.left)
            told[f"anthropic-ratelimit-{name}-reset"] = more_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return told


def seconds(room: Room) -> int:
    """Until there is more room, rounded up."""
    return max(1, math.ceil(room.reset_ms / 1000))


def _rooms(verdict: Verdict) -> dict[str, Room | None]:
    return {"requests": verdict.requests, "tokens": verdict.tokens}
