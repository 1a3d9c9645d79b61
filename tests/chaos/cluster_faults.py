"""What a storm does to a stage over a cluster, beside what it does to any."""

import asyncio
import random
import signal

from redis.crc import key_slot

from shared import keys
from tests.chaos.faults import ANYWHERE, Fault
from tests.chaos.stage import Stage
from tests.kit.cluster import NODE_TIMEOUT_MS, EmbeddedCluster


def _nodes(stage: Stage) -> EmbeddedCluster:
    assert isinstance(stage.broker, EmbeddedCluster)
    return stage.broker


async def _node_killed(stage: Stage, dice: random.Random) -> bool:
    pause_s = dice.uniform(0, 4)
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        port = dice.choice(nodes.alive())
        nodes.send(port, signal.SIGKILL)
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(nodes.serve, port)
        await asyncio.to_thread(nodes.whole)
        return True


async def _node_paused(stage: Stage, dice: random.Random) -> bool:
    pause_s = dice.uniform(0.3, 4)
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        port = dice.choice(nodes.alive())
        nodes.send(port, signal.SIGSTOP)
        await asyncio.sleep(pause_s)
        nodes.send(port, signal.SIGCONT)
        await asyncio.to_thread(nodes.whole)
        return True


async def _majority_paused(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        ports = nodes.primaries()[:2]
        for port in ports:
            nodes.send(port, signal.SIGSTOP)
        await asyncio.sleep(dice.uniform(1, 3) * NODE_TIMEOUT_MS / 1000)
        for port in ports:
            nodes.send(port, signal.SIGCONT)
        await asyncio.to_thread(nodes.whole)
        return True


async def _slot_moved(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        cell, ports = dice.choice(list(nodes.cells)), nodes.primaries()
        slot = key_slot(cell.key(keys.CLOCK).encode())
        await asyncio.to_thread(nodes.move, slot, dice.choice(ports))
        return True


async def _handed_over(stage: Stage, dice: random.Random) -> bool:
    """A replica takes its primary's place in good order, as before an upgrade."""
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        replica = dice.choice([port for port in nodes.alive() if port not in nodes.primaries()])
        nodes.say(replica, "CLUSTER", "FAILOVER")
        await asyncio.sleep(1)
        await asyncio.to_thread(nodes.whole)
        return True


async def _connections_killed(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        nodes = _nodes(stage)
        nodes.say(dice.choice(nodes.primaries()), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        nodes.say(dice.choice(nodes.primaries()), "CLIENT", "KILL", "TYPE", "pubsub")
        return True


async def _scripts_flushed(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        for port in _nodes(stage).primaries():
            _nodes(stage).say(port, "SCRIPT", "FLUSH")
        return True


def _alone(fault: Fault) -> Fault:
    """
    Not while a broker fails, nor before its replica has all: what only a primary and one worker had, and both
    are gone, nobody can give back.
    """

    async def alone(stage: Stage, dice: random.Random) -> bool:
        async with stage.broker_is_free:
            done = await fault(stage, dice)
            await asyncio.to_thread(_nodes(stage).copied)
            return done

    return alone


CLUSTER_FAULTS: dict[str, Fault] = {
    **{name: _alone(fault) if "worker" in name else fault for name, fault in ANYWHERE.items()},
    "node SIGKILL, restart": _node_killed,
    "node SIGSTOP, SIGCONT": _node_paused,
    "two of three primaries SIGSTOP, SIGCONT": _majority_paused,
    "slot moved": _slot_moved,
    "replica takes over in good order": _handed_over,
    "CLIENT KILL on a primary": _connections_killed,
    "SCRIPT FLUSH": _scripts_flushed,
}
