"""
The atomic steps that the broker takes: the scripts under `lua/`, with the names and limits they are
told.
"""

import re
from pathlib import Path
from typing import Literal

from shared import keys
from shared.settings import Settings

Step = Literal[
    "create",
    "append",
    "append_last",
    "audio",
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
    "room_enter",
    "room_say",
    "room_begin",
    "room_meet",
    "room_clear",
    "told",
    "undo",
    "branch",
    "import",
    "note",
    "blob_put",
    "blob_hold",
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
        "AUDIO_TTL_MS": settings.speech_retention_s * 1000,
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
    script = (_LUA / f"{step}.lua").read_text()
    return (_needed(head + (_LUA / "_steps.lua").read_text(), script) + script).encode()


#: What tells nothing of which names are used: comments, strings, fields.
_UNTOLD = re.compile(r"--[^\n]*|'(?:[^'\\\n]|\\.)*'|(?<!\.)\.\w+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(r"local (?:function (\w+)|([\w, ]+))")


def _needed(shared: str, script: str) -> str:
    """
    The definitions of *shared* that *script* uses, by itself or through others. The broker makes all that a
    script defines anew whenever it runs: of append.lua, a quarter of its time.
    """
    definitions = re.split(r"^(?=local )", shared, flags=re.MULTILINE)[1:]
    used, kept = _names(script), []
    # What is defined uses only what stands before it.
    for definition in reversed(definitions):
        found = _DEFINED.match(definition)
        if found and used & _names(found[1] or found[2]):
            used |= _names(definition)
            kept.append(re.sub(r"^\s*--[^\n]*\n", "", definition, flags=re.MULTILINE))
    return "".join(reversed(kept))


def _names(text: str) -> set[str]:
    return set(_NAME.findall(_UNTOLD.sub(" ", text)))
