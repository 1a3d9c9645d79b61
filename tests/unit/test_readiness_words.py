"""Why a broker would take nothing, in words that say what to do: found in what redis-py makes of an error."""

from typing import Any

import pytest
from redis.asyncio.cluster import ClusterParser

from shared.readiness import _reason


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("CLUSTERDOWN The cluster is down", "cluster is down"),
        ("CLUSTERDOWN The cluster is down and only accepts read commands", "cluster is down"),
        ("CLUSTERDOWN Hash slot not served", "cluster is down"),
        ("READONLY You can't write against a read only replica.", "read-only"),
        ("LOADING Redis is loading the dataset in memory", "loading"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "full"),
        ("NOPERM this user has no permissions to run the 'zadd' command", "user may not"),
    ],
)
def test_known(said: str, why: str) -> None:
    """As a node says it, through a class of its own, which takes the code away, or without one."""
    parser: Any = ClusterParser
    error = parser.parse_error(said)
    found = _reason(f"{type(error).__name__}: {error}")
    assert found is not None and why in found
