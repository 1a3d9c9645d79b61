"""A `headrace up` that runs in this folder: where its broker is, for commands that were told of none."""

import os
from pathlib import Path

from deploy.up import nodes, valkey


def settings(data: Path = Path(".headrace")) -> dict[str, object]:
    """
    What its gateways and workers were told of broker and models; nothing where the environment names a
    broker, or none runs with its files in *data*.
    """
    if "HEADRACE_REDIS_URL" in os.environ:
        return {}
    data = data.expanduser().resolve()
    found: dict[str, object]
    if (data / "valkey.sock").exists():
        found = {"redis_url": valkey.url(data / "valkey.sock")}
    elif plan := nodes.running(data):
        found = {"redis_url": plan.url, "cells": plan.cells}
    else:
        return {}
    return found if "HEADRACE_MODELS" in os.environ else found | {"models": data / "models.toml"}
