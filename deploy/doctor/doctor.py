"""All of it in turn; the exit code says whether anything is wrong."""

import asyncio
import os
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from deploy import programs
from deploy.doctor import broker, gateway
from deploy.doctor.findings import Finding, good, mind, show, wrong
from deploy.up import valkey
from shared.settings import Settings
from shared.startup import SettingsWrong, read_settings

_FEW_FILES = 4096


async def run(urls: list[str], api_key: str | None, console: Console, data: Path, *, upstreams: bool) -> bool:
    """
    Look at everything that the environment's settings, and *urls*, name; whether nothing is wrong. Where they
    name no broker, it is that of a `headrace up` with its files in *data*, if there is one.
    """
    found = [good("version", f"headrace {version('headrace')}, Python {sys.version.split()[0]}"), _files()]
    try:
        settings = read_settings(_embedded(data))
    except SettingsWrong as error:
        found.append(wrong("settings", str(error), "deploy/SETTINGS.md has every one"))
        show(found, console)
        return False
    found.append(good("settings", "each of them is as it may be"))
    found += await broker.look(settings)
    for url in urls:
        found += await gateway.look(url.rstrip("/"), api_key)
    if upstreams and settings.models is not None:
        found.append(await _upstreams(settings))
    show(found, console)
    return not any(finding.level == "wrong" for finding in found)


def _embedded(data: Path) -> dict[str, object]:
    socket, models = data.resolve() / "valkey.sock", data / "models.toml"
    if "HEADRACE_REDIS_URL" in os.environ or not socket.exists():
        return {}
    found: dict[str, object] = {"redis_url": valkey.url(socket)}
    return found if "HEADRACE_MODELS" in os.environ else found | {"models": models}


def _files() -> Finding:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _FEW_FILES:
        return mind(
            "open files",
            f"{most}, so a gateway has no room for more streams",
            "ulimit -n 65536, LimitNOFILE= in a unit",
        )
    return good("open files", "any number" if most == resource.RLIM_INFINITY else str(most))


async def _upstreams(settings: Settings) -> Finding:
    command = programs.command("worker.check", str(settings.models))
    checked = await asyncio.create_subprocess_exec(
        *command, env=programs.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await checked.communicate()
    text = said.decode(errors="replace").strip()
    if checked.returncode:
        return wrong("upstreams", text, "the code's row in deploy/RUNBOOK.md")
    return good("upstreams", text)
