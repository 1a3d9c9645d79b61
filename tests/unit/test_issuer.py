"""An issuer of tokens: what it says of itself, and for how long its keys are gone by."""

import time
from collections.abc import AsyncIterator

import pytest

from gateway.edge.issuer import Issuer
from shared.errors import Unavailable
from shared.settings import Settings
from tests.kit.issuer import FakeIssuer


@pytest.fixture
async def fake() -> AsyncIterator[FakeIssuer]:
    """One that listens."""
    fake = FakeIssuer()
    await fake.start()
    yield fake
    await fake.close()


async def test_one_that_says_it_is_another(fake: FakeIssuer) -> None:
    """Its keys would be another's."""
    settings = Settings(**fake.settings)
    for named, known in ((settings.oidc_issuer, True), (settings.oidc_issuer + "/", False)):
        issuer = Issuer(settings.model_copy(update={"oidc_issuer": named}))
        try:
            if known:
                assert (await issuer.described()).issuer == named
            else:
                with pytest.raises(Unavailable):
                    await issuer.described()
        finally:
            await issuer.close()


async def test_one_that_is_away(fake: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that were read hold for a day, and no longer."""
    issuer, now = Issuer(Settings(**fake.settings)), time.monotonic()
    try:
        assert await issuer.key("rsa") is not None
        await fake.close()
        for hours, held in ((23, True), (25, False)):
            monkeypatch.setattr(time, "monotonic", lambda hours=hours: now + hours * 3600)
            if held:
                assert await issuer.key("rsa") is not None
            else:
                with pytest.raises(Unavailable):
                    await issuer.key("rsa")
    finally:
        monkeypatch.undo()
        await issuer.close()
