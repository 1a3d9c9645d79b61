"""A `headrace up` that runs in this folder: where its broker and gateways are, for who was told of none."""

import os
from pathlib import Path

import msgspec

from deploy.up import nodes, valkey
from deploy.up.leftovers import identity

_FACES = "faces.json"
_NOBODY = "http://127.0.0.1:8000"


class Faces(msgspec.Struct, frozen=True):
    """What one `headrace up` was reached by, from when it was ready until it stopped."""

    #: The process itself, and what tells it from another of its number.
    pid: int
    known: str | None
    gateways: list[str]
    workers: list[str]
    #: Set where the broker is not its own.
    redis_url: str | None = None
    cells: int = 1

    def note(self, data: Path) -> None:
        """Keep it in *data*; nobody else may read it, for a password may be in an address."""
        partial = data / f"{_FACES}.part"
        partial.touch(mode=0o600)
        partial.write_bytes(msgspec.json.encode(self))
        partial.replace(data / _FACES)


def ours(gateways: list[str], workers: list[str], redis_url: str | None = None, cells: int = 1) -> Faces:
    """Of this process."""
    return Faces(os.getpid(), identity(os.getpid()), gateways, workers, redis_url, cells)


def forget(data: Path) -> None:
    """It stops."""
    (data / _FACES).unlink(missing_ok=True)


def faces(data: Path = Path(".headrace")) -> Faces | None:
    """
    How the `headrace up` with its files in *data* is reached; None where the environment names a broker, for
    that is another's, and where none is ready there.
    """
    if "HEADRACE_REDIS_URL" in os.environ:
        return None
    try:
        found = msgspec.json.decode((data.expanduser() / _FACES).read_bytes(), type=Faces)
    except (OSError, msgspec.DecodeError):
        return None
    # One that was killed has left its word behind.
    return found if found.known is not None and identity(found.pid) == found.known else None


def gateways(data: Path = Path(".headrace")) -> list[str]:
    """The addresses of its gateways; else where one is unless it was told otherwise."""
    there = faces(data)
    return there.gateways if there is not None else [_NOBODY]


def settings(data: Path = Path(".headrace")) -> dict[str, object]:
    """
    What its gateways and workers were told of broker and models; nothing where the environment names a
    broker, or none runs with its files in *data*.
    """
    if "HEADRACE_REDIS_URL" in os.environ:
        return {}
    data = data.expanduser().resolve()
    there = faces(data)
    found: dict[str, object]
    if there is not None and there.redis_url is not None:
        found = {"redis_url": there.redis_url, "cells": there.cells}
    elif socket := valkey.found(data):
        found = {"redis_url": valkey.url(socket)}
    elif plan := nodes.running(data):
        found = {"redis_url": plan.url, "cells": plan.cells}
    else:
        return {}
    return found if "HEADRACE_MODELS" in os.environ else found | {"models": data / "models.toml"}
