"""The broker: reached, of a version that will do, with rights and settings that keep what it is given."""

import asyncio
import re
import time
from collections.abc import Mapping
from itertools import chain
from typing import Any

from deploy.doctor.findings import Finding, good, mind, wrong
from shared.broker import Broker
from shared.cells import Cell
from shared.cluster import ONLY, is_cluster, named
from shared.errors import BrokerRefused, BrokerUnavailable, Unavailable
from shared.readiness import Readiness
from shared.settings import Settings
from shared.startup import SettingsWrong

_OLDEST = (6, 2)
_NEARLY_FULL = 0.8
#: What clocks may differ by before people notice.
_CLOCK_S = 2.0
_RIGHTS = "see the broker's smallest user in deploy/RUNBOOK.md"


async def look(settings: Settings) -> list[Finding]:
    """All that can be said of it, as gateways and workers with these *settings* would meet it."""
    broker = Broker(settings)
    readiness = Readiness(broker)
    try:
        try:
            await broker.look()
            await readiness.check()
        except SettingsWrong as error:
            return [wrong("broker", str(error), "set HEADRACE_CELLS as it was when the data was begun")]
        except Unavailable as error:
            found = [wrong("broker", error.message, _cure(broker, error.message))]
            if not broker.clustered:
                return found
        else:
            found = [good("broker", "it answers, and takes what gateways and workers write")]
        each = [_primary(broker, cell, settings) for cell in broker.one_of_each()]
        return found + list(chain.from_iterable(await asyncio.gather(*each)))
    finally:
        await readiness.close()
        await broker.close()


def _cure(broker: Broker, message: str) -> str:
    if "user" in message:
        return _RIGHTS
    if broker.clustered and "cluster is down" in message:
        return (
            "start its nodes again: more than half of its primaries must be there for replicas to take over"
        )
    return "start it, or set HEADRACE_REDIS_URL"


async def _primary(broker: Broker, cell: Cell, settings: Settings) -> list[Finding]:
    try:
        home = broker.home(cell)
    except BrokerUnavailable:
        return []  # no node has said where it is, as was told
    name = "broker" if home == ONLY else f"broker {named(home)}"
    try:
        began = time.time()
        seconds, micros = await broker.call("time", cell, "TIME")
        away_s = float(seconds) + float(micros) / 1e6 - (began + time.time()) / 2
        [info] = await broker.pipe("info", cell, [("INFO",)], tolerates=lambda i, error: True)
    except (BrokerUnavailable, BrokerRefused) as error:
        why = type(error.__cause__ or error).__name__
        return [wrong(name, f"does not answer ({why})", "start it, or let its replica take over")]
    found = [_clock(name, away_s)]
    if not isinstance(info, dict):
        return [*found, mind(name, "its user may not ask how it is set", "add +info to the user's rights")]
    return [
        *found,
        _version(name, info),
        _persistence(name, info),
        _eviction(name, info),
        _memory(name, info),
        *_replicas(name, info, settings),
    ]


def _clock(name: str, away_s: float) -> Finding:
    if abs(away_s) > _CLOCK_S:
        return mind(
            f"{name}: clock",
            f"{away_s:+.1f} s beside this machine's",
            "let both follow an NTP server, slewing (chronyd)",
        )
    return good(f"{name}: clock", f"{away_s:+.3f} s beside this machine's")


def _version(name: str, info: Mapping[str, Any]) -> Finding:
    is_valkey = "valkey_version" in info
    version = str(info.get("valkey_version") or info.get("redis_version", "?"))
    says = f"{'Valkey' if is_valkey else 'Redis'} {version}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not is_valkey and numbers < _OLDEST:
        return wrong(f"{name}: version", says, "Redis 6.2 or later, or Valkey")
    return good(f"{name}: version", says)


def _persistence(name: str, info: Mapping[str, Any]) -> Finding:
    what = f"{name}: persistence"
    if (
        str(info.get("aof_last_write_status", "ok")) != "ok"
        or str(info.get("rdb_last_bgsave_status", "ok")) != "ok"
    ):
        return wrong(what, "its last write to disk failed", "look at its log, and at the room on its disk")
    if int(info.get("aof_enabled", 0)):
        return good(what, "an append-only file")
    return mind(
        what,
        "no append-only file: a restart forgets what was not in a snapshot, conversations included",
        "CONFIG SET appendonly yes, and the same in its configuration",
    )


def _eviction(name: str, info: Mapping[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        return wrong(
            f"{name}: eviction",
            f"{policy}: it throws away replies that are being written",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration",
        )
    return good(f"{name}: eviction", policy)


def _memory(name: str, info: Mapping[str, Any]) -> Finding:
    what, used, most = f"{name}: memory", int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    says = f"{used / 1e6:.0f} MB" + (f" of {most / 1e6:.0f} MB" if most else ", without a limit")
    if not most:
        return mind(
            what,
            says,
            "CONFIG SET maxmemory, below what the machine has: at it new messages get 503, nothing worse",
        )
    if used > _NEARLY_FULL * most:
        return mind(what, says, "CONFIG SET maxmemory higher, or shorten HEADRACE_LOG_RETENTION_S")
    return good(what, says)


def _replicas(name: str, info: Mapping[str, Any], settings: Settings) -> list[Finding]:
    there = int(info.get("connected_slaves", 0))
    if there < settings.min_replicas:
        return [
            wrong(
                f"{name}: replicas",
                f"{there}, HEADRACE_MIN_REPLICAS wants {settings.min_replicas}: each reply waits in vain",
                "bring them back, or lower HEADRACE_MIN_REPLICAS",
            )
        ]
    if not there and is_cluster(settings.redis_url):
        return [
            mind(
                f"{name}: replicas",
                "none: where it ends, its conversations and streams wait until it is back",
                "give it one: CLUSTER REPLICATE",
            )
        ]
    return [good(f"{name}: replicas", str(there))] if there else []
