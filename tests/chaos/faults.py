"""What a storm does to a stage: each fault is real, and over when its function returns."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import redis

from tests.chaos import clients
from tests.chaos.stage import Stage
from tests.kit.link import Link

Fault = Callable[[Stage, random.Random], Awaitable[bool]]


def _killed(kind: str) -> Fault:
    async def kill(stage: Stage, dice: random.Random) -> bool:
        pause_s = dice.uniform(0, 2)
        async with stage.victim(kind, dice) as program:
            if program is None:
                return False
            program.kill()
            await asyncio.sleep(pause_s)
            program.start()
            return True

    return kill


def _drained(kind: str) -> Fault:
    async def drain(stage: Stage, dice: random.Random) -> bool:
        async with stage.victim(kind, dice) as program:
            if program is None:
                return False
            program.signal(signal.SIGTERM)
            await program.ended(30)
            program.start()
            return True

    return drain


def _paused(kind: str) -> Fault:
    async def pause(stage: Stage, dice: random.Random) -> bool:
        pause_s = dice.uniform(0.5, 6)
        async with stage.victim(kind, dice) as program:
            if program is None:
                return False
            program.signal(signal.SIGSTOP)
            await asyncio.sleep(pause_s)
            program.signal(signal.SIGCONT)
            return True

    return pause


async def _broker_killed(stage: Stage, dice: random.Random) -> bool:
    pause_s = dice.uniform(0, 2)
    async with stage.broker_is_free:
        stage.broker.stop(signal.SIGKILL)
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(stage.broker.start)
        return True


async def _broker_paused(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        stage.broker.pause(signal.SIGSTOP)
        await asyncio.sleep(dice.uniform(0.5, 5))
        stage.broker.pause(signal.SIGCONT)
        return True


async def _broker_full(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        stage.stack.redis.config_set("maxmemory", 1)
        await asyncio.sleep(dice.uniform(0.5, 3))
        stage.stack.redis.config_set("maxmemory", 0)
        return True


async def _broker_read_only(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        stage.stack.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(dice.uniform(0.2, 2))
        stage.stack.redis.execute_command("REPLICAOF", "NO", "ONE")
        return True


async def _connections_killed(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        stage.stack.redis.execute_command("CLIENT", "KILL", "SKIPME", "yes")
        return True


async def _scripts_flushed(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        stage.stack.redis.script_flush()
        return True


def _link(stage: Stage) -> Link:
    assert stage.link is not None
    return stage.link


async def _link_cut(stage: Stage, dice: random.Random) -> bool:
    _link(stage).cut()
    return True


async def _link_stalled(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        _link(stage).stall()
        await asyncio.sleep(dice.uniform(0.5, 4))
        _link(stage).resume()
        return True


async def _link_slow(stage: Stage, dice: random.Random) -> bool:
    async with stage.broker_is_free:
        _link(stage).delay_s = 0.2
        await asyncio.sleep(dice.uniform(1, 4))
        _link(stage).delay_s = 0
        return True


#: Of processes and clients, whatever the broker is.
ANYWHERE: dict[str, Fault] = {
    "worker SIGKILL": _killed("worker"),
    "worker SIGTERM": _drained("worker"),
    "worker SIGSTOP, SIGCONT": _paused("worker"),
    "gateway SIGKILL": _killed("gateway"),
    "gateway SIGTERM": _drained("gateway"),
    "gateway SIGSTOP, SIGCONT": _paused("gateway"),
    "reader vanished": clients.vanished_reader,
    "client hung up in mid-handler": clients.hung_up,
    "position ahead of the log": clients.ahead_of_the_log,
}

FAULTS: dict[str, Fault] = {
    **ANYWHERE,
    "broker SIGKILL, restart": _broker_killed,
    "broker SIGSTOP, SIGCONT": _broker_paused,
    "broker full (OOM)": _broker_full,
    "broker read-only": _broker_read_only,
    "CLIENT KILL of all": _connections_killed,
    "SCRIPT FLUSH": _scripts_flushed,
    "link cut": _link_cut,
    "link stalled": _link_stalled,
    "link 200 ms slower": _link_slow,
}

#: A fault may meet a broker that another has just taken away.
PASSING = (redis.RedisError, OSError, StopIteration)
