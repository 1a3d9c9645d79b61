"""A conversation's branches: which turns stand in each other's place, and what is said where none looks."""

import re
from collections.abc import Mapping, Sequence

import msgspec

#: A message's generation, and when it was said, as they stand in its JSON.
_GENERATION = re.compile(rb'\{"role":"\w+","generation_id":"([^"]*)"')
_SAID = re.compile(rb'"ts":(\d+)')


class Branching(msgspec.Struct, frozen=True):
    """
    Turns that stand in the same place: after the same turn, or at the beginning.

    Each is called by the generation that answers it, oldest first; one of them is shown, or none.
    """

    after: str | None
    shown: str | None
    generation_ids: list[str]


class Branch(msgspec.Struct, frozen=True):
    """What is said from a turn on, on a branch that is not shown: its messages, oldest first."""

    after: str | None
    generation_id: str
    messages: list[msgspec.Raw]


class Fork(msgspec.Struct, frozen=True):
    """A branch that is not shown, as `lua/_steps.lua` keeps it: '' is the beginning."""

    after: str
    first: str
    ts: int
    bytes: int = 0


_forks = msgspec.json.Decoder(list[Fork]).decode


def branchings(fields: Mapping[bytes, bytes], said: Sequence[bytes]) -> list[Branching]:
    """Where a conversation with these *fields* branches, in the order of the messages that are shown."""
    forks = _forks(fields[b"forks"]) if b"forks" in fields else []
    if not forks:
        return []
    turns: dict[str, int] = {}
    for message in said:
        generation, ts = _GENERATION.match(message), _SAID.search(message)
        if generation and ts:
            turns.setdefault(generation[1].decode(), int(ts[1]))
    order = list(turns)
    following = dict(zip(["", *order], [*order, None], strict=True))
    if b"beheaded" in fields:
        # What stood at the beginning does no more.
        del following[""]
    found = []
    for after, shown in following.items():
        others = [(fork.ts, fork.first) for fork in forks if fork.after == after]
        if others:
            all_of_them = sorted([*others, *([(turns[shown], shown)] if shown else [])])
            found.append(Branching(after or None, shown, [first for _, first in all_of_them]))
    return found


def branches(fields: Mapping[bytes, bytes], aside: Mapping[bytes, bytes]) -> list[Branch]:
    """The branches of a conversation that are not shown, oldest first."""
    found = []
    for fork in _forks(fields[b"forks"]) if b"forks" in fields else []:
        kept = aside.get(fork.first.encode())
        if kept is not None:
            messages = [
                msgspec.Raw(message.encode()) for message in msgspec.json.decode(kept, type=list[str])
            ]
            found.append(Branch(fork.after or None, fork.first, messages))
    return found
