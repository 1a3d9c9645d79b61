"""P1 to P13 at once: random faults under load, a short version of `make chaos`."""

import pytest

from tests.chaos.cluster_faults import CLUSTER_FAULTS
from tests.chaos.stage import Stage
from tests.chaos.storm import Storm


@pytest.mark.timeout(150)
async def test_a_short_storm() -> None:
    """After ten seconds of random faults every generation is accounted for, and nothing is wrong."""
    async with Stage(gateways=2, workers=2, lease_s=1, max_attempts=20, heartbeat_s=1) as stage:
        account = await Storm(seed=1, seconds=10, streams=12).run(stage)
    assert not account.wrong, "\n".join(account.wrong[:10])
    assert account.generations > 12
    assert sum(account.faults.values()) > 5


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_storm_over_a_cluster() -> None:
    """The same over three primaries that die, hang, hand over and give cells to each other."""
    async with Stage(
        gateways=2, workers=2, cells=32, min_replicas=1, lease_s=1, max_attempts=20, heartbeat_s=1
    ) as stage:
        account = await Storm(seed=1, seconds=30, streams=12, faults=CLUSTER_FAULTS).run(stage)
    assert not account.wrong, "\n".join(account.wrong[:10])
    assert account.generations > 12
