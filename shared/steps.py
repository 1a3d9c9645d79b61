"""
The atomic steps that the broker takes: the scripts under `lua/`, with the names and limits they are
told.
"""

from pathlib import Path
from typing import Literal

from shared import keys
from shared.settings import Settings

Step = Literal[
    "create",
    "append",
    "claim",
    "clock",
    "ready",
    "renew",
    "release",
    "restore",
    "cancel",
    "close",
    "change",
    "remove",
    "trim",
    "room_open",
    "room_say",
    "room_begin",
    "room_meet",
    "told",
    "undo",
    "branch",
    "import",
    "note",
    "admit",
    "settle",
    "hold",
]

_LUA = Path(__file__).parent / "lua"

#: Generations that may wait for their turn in one conversation.
_MAX_WAITING = 20
#: Messages of a room that may wait for the reply to those before.
_MAX_ROOM_WAITING = 100
#: Branches of one conversation that are kept beside the one that is shown.
MAX_BRANCHES = 50
#: What was deleted can be brought back for this long: the page offers it for ten seconds.
_UNDO_MS = 15_000


def source(step: Step, settings: Settings, *, clustered: bool) -> bytes:
    """The script of *step*. *clustered* where there are several primaries."""
    limits = {
        "WAKE_CAP": keys.WAKE_CAP,
        "MAX_WAITING": _MAX_WAITING,
        "MAX_ROOM_WAITING": _MAX_ROOM_WAITING,
        "MAX_BRANCHES": MAX_BRANCHES,
        "UNDO_MS": _UNDO_MS,
        "MAX_ATTEMPTS": settings.max_attempts,
        "GENERATION_TTL_MS": settings.generation_ttl_s * 1000,
        "RECORD_TTL_MS": settings.record_retention_s * 1000,
        "LOG_TTL_MS": settings.log_retention_s * 1000,
        "CONVERSATION_TTL_MS": settings.conversation_ttl_s * 1000,
        "MAX_CONVERSATION_BYTES": settings.max_conversation_bytes,
        "MAX_MESSAGES": settings.max_conversation_messages,
        "MAX_CONVERSATIONS": settings.max_conversations,
        "MOST_UNSEEN_MS": max(1, int(settings.lease_s * 500)),
        "CELLS": settings.cells,
        # A plain channel would be heard on all primaries.
        "PUBLISH": "'SPUBLISH'" if clustered else "'PUBLISH'",
        "NUMSUB": "'SHARDNUMSUB'" if clustered else "'NUMSUB'",
    }
    head = keys.lua(celled=settings.cells > 1)
    head += "".join(f"local {name} = {value}\n" for name, value in limits.items())
    return (head + (_LUA / "_steps.lua").read_text() + (_LUA / f"{step}.lua").read_text()).encode()
