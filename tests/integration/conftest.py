"""What tests of single steps share."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from shared import keys
from tests.kit.hand import die
from tests.kit.local import Local
from tests.kit.table import Table


@pytest.fixture
async def table(local: Local, session: ClientSession) -> AsyncIterator[Table]:
    """A gateway, and two workers by hand."""
    await local.start(worker=False, lease_s=30, cancel_wait_s=0.05)
    yield Table(local, session)
    for generation_id in local.redis.zrange(keys.QUEUE + "scripted", 0, -1):
        die(local.redis, generation_id.decode())
