"""
What is open ends with the key, the token or the session that opened it: a gateway looks at those again as
long as anything of theirs is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from gateway.edge.auth import Askers
from shared.asker import Asker
from shared.audit import Audit
from shared.errors import AccessEnded, BrokerRefused, BrokerUnavailable, Unauthorized

logger = structlog.get_logger("gateway.edge.revocation")

#: Told why it ends; must not raise.
End = Callable[[AccessEnded], None]

_LOOK_S = 1.0


class _Access(NamedTuple):
    """What was let in together: by the same secret of a key, in the same session, until the same moment."""

    key: str | None
    secret: str
    session: str | None
    until: float | None
    #: Of tokens, which two may have that expire together.
    owner: str


class Revocations:
    """`run` is its task; `ending` is for whoever keeps something open."""

    def __init__(self, askers: Askers, audit: Audit) -> None:
        self._check: Callable[[Asker], Awaitable[None]] = askers.check
        self._audit = audit
        self._open: dict[_Access, tuple[Asker, set[End]]] = {}

    @contextmanager
    def ending(self, asker: Asker, end: End) -> Iterator[None]:
        """*end* is called, once, if what let *asker* in opens nothing any more while this is entered."""
        owner = "" if asker.until is None else asker.owner
        access = _Access(asker.key, asker.secret, asker.session, asker.until, owner)
        if access.key is None and access.session is None and access.until is None:
            # Nobody was asked for anything, or for what is good for ever.
            yield
            return
        _, ends = self._open.setdefault(access, (asker, set()))
        ends.add(end)
        try:
            yield
        finally:
            ends.discard(end)
            if not ends and self._open.get(access, (None, None))[1] is ends:
                del self._open[access]

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for access, (asker, ends) in list(self._open.items()):
                try:
                    await self._check(asker)
                except Unauthorized as error:
                    self._end(access, asker, ends, AccessEnded(error.message))
                except (BrokerUnavailable, BrokerRefused):
                    break  # nothing is known of anybody: looked again
                except Exception:  # whoever else has something open must not pay for it
                    logger.exception("it cannot be told what a key or a session opens", key=asker.key)

    def _end(self, access: _Access, asker: Asker, ends: set[End], why: AccessEnded) -> None:
        self._open.pop(access, None)
        self._audit.note("access_ended", key=asker.key, tenant=asker.tenant, user=asker.user, open=len(ends))
        for end in list(ends):
            end(why)
