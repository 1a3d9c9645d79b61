"""What a gateway goes by and for how long: what it has read, tokens, limits, and who is told to leave."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.edge import leavers, stream_tokens
from gateway.edge.known_keys import KnownKeys
from gateway.edge.leavers import LEAVERS, tell
from gateway.edge.limits import _check
from gateway.edge.remembered import Remembered
from gateway.edge.revocation import Revocations
from gateway.edge.stream_tokens import StreamTokens
from shared.api_keys import ApiKey
from shared.asker import ANONYMOUS, Asker
from shared.errors import AccessEnded, BudgetSpent, RateLimited, Unauthorized
from shared.ledger import Refusal, Verdict
from shared.tenants import Tenant


async def test_what_was_read_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is gone by while it is fresh, read again beforehand, and waited for once it is not."""
    now, reads = [100.0], list[str]()

    async def read(name: str) -> int:
        reads.append(name)
        return len(reads)

    remembered = Remembered(read, 10)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for at, value, read_so_far in ((100, 1, 1), (104, 1, 1), (106, 1, 2), (107, 2, 2), (117, 3, 3)):
        now[0] = at
        assert await remembered.get("x") == value, at
        await remembered.close()
        assert len(reads) == read_so_far, at


async def test_a_streams_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is good for a minute, and for one stream."""

    async def derived(purpose: str) -> list[bytes]:
        return [b"k" * 32]

    sealing: Any = SimpleNamespace(derived=derived)
    generation: Any = SimpleNamespace(id="gen_1", owner=ANONYMOUS.owner)
    tokens, now = StreamTokens(sealing), time.time()
    token = await tokens.make(ANONYMOUS, generation)
    clock: Any = SimpleNamespace(time=lambda: now + 58)
    monkeypatch.setattr(stream_tokens, "time", clock)
    asker = await tokens.asker(token)
    assert (asker.only, asker.scopes) == ("gen_1", frozenset(("read",)))
    clock.time = lambda: now + 61
    with pytest.raises(Unauthorized):
        await tokens.asker(token)


def test_limits_of_a_key_that_acts_for_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold for each of them; of any other key they are the key's."""
    known = object.__new__(KnownKeys)
    monkeypatch.setattr(known, "_note_use", lambda key, tenant: None)
    for acts_for, apart in (("trusted", True), (None, False)):
        key = ApiKey(id="k", tenant="t", scopes=("chat",), acts_for=acts_for, created_ms=1, seal="")  # type: ignore[arg-type]
        ann, ben = (known.checked(key, Tenant(name="t"), user).levels[0].name for user in ("ann", "ben"))
        assert (ann != ben) is apart


@pytest.mark.parametrize(
    ("level", "limit", "retry_ms", "kind", "whose"),
    [
        ("tenant", "tokens", 500, RateLimited, "Your tenant has"),
        ("address:1", "requests", 500, RateLimited, "Your address has"),
        ("key:1", "concurrent", 500, RateLimited, "You have"),
        ("key:1", "cost_day", 0, BudgetSpent, "You have"),
    ],
)
def test_a_refusal(level: str, limit: Any, retry_ms: int, kind: type[RateLimited], whose: str) -> None:
    """Says whose limit it was and when to come back, and is written down."""
    noted: list[tuple[Asker, Refusal]] = []
    audit: Any = SimpleNamespace(exceeded=lambda asker, refused: noted.append((asker, refused)))
    state: Any = SimpleNamespace(audit=audit)
    refused = Refusal(level, limit, retry_ms)
    with pytest.raises(RateLimited) as error:
        _check(state, ANONYMOUS, Verdict(held=0, refused=refused))
    assert type(error.value) is kind and error.value.message.startswith(whose)
    assert error.value.retry_after_s and (not retry_ms or error.value.retry_after_s == 0.5)
    assert noted == [(ANONYMOUS, refused)]


async def test_who_was_told_that_it_ends() -> None:
    """Is told once, and not looked at again."""
    told: list[AccessEnded] = []
    noted: list[str] = []
    nothing: Any = SimpleNamespace(check=None, note=lambda what, **_: noted.append(what))
    revocations = Revocations(nothing, nothing)
    asker = Asker(tenant="t", owner="o", key="k", secret="s")
    with revocations.ending(asker, told.append):
        [(access, (_, ends))] = revocations._open.items()
        revocations._end(access, asker, ends, AccessEnded())
        assert not revocations._open
    assert (len(told), noted) == (1, ["access_ended"])


async def test_who_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is cut off after a moment; the others have been told."""
    monkeypatch.setattr(leavers, "_PATIENCE_S", 0.01)
    left: list[str] = []

    async def stays() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            left.append("cut off")

    async def goes() -> None:
        left.append("gone")

    app: Any = {LEAVERS: {stays, goes}}
    async with asyncio.timeout(5):
        await tell(app)
        await asyncio.sleep(0)
    assert sorted(left) == ["cut off", "gone"]
