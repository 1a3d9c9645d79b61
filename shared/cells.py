"""
Cells: parts of the keyspace that each live on one primary as a whole, by a hash tag: `hr:{c07}:log:…`.

Each atomic step works within one cell. A generation's id says which is its own, so that nobody has to ask;
its conversation, idempotency key and place in the queue are there too. The only cell of an installation that
has no more carries no tag: its names are those of `shared/keys.py`.
"""

import random
import uuid
from collections.abc import Hashable, Iterable, Iterator
from hashlib import blake2b, sha256
from typing import TypeVar

from shared import keys

_T = TypeVar("_T", bound=Hashable)

_ID = "gen_"
#: Kinds of keys and channels by what says their cell: the id that follows (a room's is one too), …
_BY_ID = (
    *(keys.RECORD, keys.LOG, keys.LIVE, keys.AUDIO, keys.JOB),
    *(keys.ROOM, keys.ROOM_LOG, keys.ROOM_MEMBERS, keys.ROOM_ONCE),
)
#: … owner and conversation, …
_BY_CONVERSATION = (keys.CONVERSATION, keys.MESSAGES, keys.ASIDE, keys.GONE, keys.NEXT, keys.SHARES)
#: … the tenant, owner or link that follows. …
_BY_FIRST = (keys.USE, keys.HELD, keys.BLOB, keys.BLOB_HOLDERS, keys.BLOBS, keys.SHARE)
#: These are at home, …
_AT_HOME = (
    *(keys.API_KEY, keys.API_KEYS, keys.TENANT, keys.TAKEN, keys.SECRET),
    *(keys.SESSION, keys.SESSIONS, keys.SIGNING_IN, keys.UPSTREAM, keys.LISTED, keys.SPEAKS),
)
#: … each cell has its own of these, and an idempotency key is where its request's conversation is.
_EACH = (
    *(keys.QUEUE, keys.TURNS, keys.USERS, keys.LINE, keys.LEASED, keys.PACE, keys.WAKE, keys.CANCEL),
    *(keys.CLOCK, keys.CONVERSATIONS, keys.HOOKS, keys.IDEMPOTENCY),
)
#: Characters of a room's id after its cell.
ROOM_DIGEST = 24


class Cell:
    """One of them: its tag, and the names of its keys and channels."""

    __slots__ = ("_names", "number", "tag")

    def __init__(self, number: int, tag: str) -> None:
        self.number = number
        self.tag = tag
        self._names = {name: keys.tagged(name, tag) for name in keys.NAMES.values()}

    def key(self, name: str, of: str = "") -> str:
        """The key or channel that one of `shared/keys.py` is here, of that id, owner or queue."""
        return self._names[name] + of

    def job(self, generation_id: str) -> str:
        """The generation's job as arq knows it: in its queue, and behind `arq:job:`."""
        return self.tag + generation_id

    def generation(self, job_id: str) -> str:
        """The generation whose job that is."""
        return job_id.removeprefix(self.tag)

    def __repr__(self) -> str:
        return f"Cell({self.tag or 'the only one'})"


class Cells:
    """All cells of an installation. Their number is fixed as long as its data lives: a power of two."""

    def __init__(self, count: int) -> None:
        self._digits = digits(count)
        self._all = [Cell(i, tag(i, count)) for i in range(count)]

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, kind: str, name: str) -> Cell | None:
        """Where the key of that kind and name is; None where its name does not say, or each cell has one."""
        if kind in _BY_ID:
            return self.of_generation(name)
        if kind in _BY_CONVERSATION:
            owner, _, conversation = name.removeprefix(_gone(kind, name)).partition(":")
            return self.of_conversation(owner, conversation)
        if kind in _BY_FIRST:
            return self.of_tenant(name.partition(":")[0])
        return self.home if kind in _AT_HOME else None

    def of_generation(self, generation_id: str) -> Cell:
        """Where that generation is, if there is one. An id from before there were cells names one as well."""
        if len(self._all) == 1:
            return self._all[0]
        try:
            number = int(generation_id[len(_ID) : len(_ID) + self._digits], 16)
        except ValueError:
            number = 0
        return self._all[number % len(self._all)]

    def of_conversation(self, owner: str, conversation_id: str) -> Cell:
        """Where that conversation is, with everything that answers it."""
        return self._hashed(f"{owner}:{conversation_id}")

    @property
    def home(self) -> Cell:
        """Where what belongs to no conversation is: keys, tenants, sessions, what workers tell."""
        return self._all[0]

    def of_tenant(self, scope: str) -> Cell:
        """Where what a tenant has used is counted, by its name in keys; an owner's files, a link."""
        return self._hashed(scope)

    def of_idempotency(self, owner: str, key: str) -> Cell:
        """Where what is asked for under that key is, unless a conversation decides."""
        return self._hashed(f"{owner}:{key}")

    def any(self) -> Cell:
        """One at random."""
        return random.choice(self._all)

    def new_suffix(self, cell: Cell) -> str:
        """What makes an id of *cell* unlike every other; `gen_` before it makes a generation's."""
        suffix = uuid.uuid4().hex
        if len(self._all) == 1:
            return suffix
        return f"{cell.number:0{self._digits}x}{suffix[self._digits :]}"

    def grouped(self, generation_ids: Iterable[str]) -> dict[Cell, list[int]]:
        """Which of *generation_ids* are in which cell, by their places in the order given."""
        groups: dict[Cell, list[int]] = {}
        for i, generation_id in enumerate(generation_ids):
            groups.setdefault(self.of_generation(generation_id), []).append(i)
        return groups

    def _hashed(self, text: str) -> Cell:
        if len(self._all) == 1:
            return self._all[0]
        digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
        return self._all[int.from_bytes(digest) % len(self._all)]


def id_in(cells: Cells, cell: Cell, rest: str) -> str:
    """An id of *cell* that ends with *rest*."""
    return f"{_ID}{cell.number:0{digits(len(cells))}x}{rest}"


def room_digest(owner: str, name: str) -> str:
    """What a room's id ends with, whatever cell it is in: it is its conversation's room."""
    return sha256(f"{owner}:{name}".encode()).hexdigest()[:ROOM_DIGEST]


def _gone(kind: str, name: str) -> str:
    """What stands before the owner of something deleted: of which kind it was."""
    return name.partition(":")[0] + ":" if kind == keys.GONE else ""


def digits(count: int) -> int:
    """Hexadecimal digits of a cell's number, where there are *count*."""
    return max(2, len(f"{count - 1:x}"))


def tag(number: int, count: int) -> str:
    """The hash tag of a cell, where there are *count*."""
    return "" if count == 1 else f"{{c{number:0{digits(count)}x}}}"
