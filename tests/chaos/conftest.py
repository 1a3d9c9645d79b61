"""Brokers that a test may break."""

from collections.abc import Iterator

import pytest

from tests.kit.broker import EmbeddedBroker


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """One that nobody else uses."""
    broker = EmbeddedBroker()
    broker.start()
    yield broker
    broker.remove()
