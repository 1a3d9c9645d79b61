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
from deploy.up import found
from shared.settings import Settings
from shared.startup import SettingsWrong, read_settings

_FEW_FILES = 4096


_ASKED = {"HEADRACE_REDIS_URL", "HEADRACE_MODELS"}
_BEGIN = (
    "start `headrace up` and ask again in its folder (or name that with --data), or set what gateways and "
    "workers have: HEADRACE_REDIS_URL, HEADRACE_MODELS"
)


async def run(urls: list[str], api_key: str | None, console: Console, data: Path, *, upstreams: bool) -> bool:
    """
    Look at everything that the environment's settings, and *urls*, name; whether nothing is wrong. Where they
    name no broker, it is that of a `headrace up` with its files in *data*, if there is one.
    """
    seen = [good("version", f"headrace {version('headrace')}, Python {sys.version.split()[0]}"), _files()]
    ours = found.settings(data)
    if not ours and not _ASKED & os.environ.keys():
        nothing = f"no `headrace up` runs with its files in {data}, and HEADRACE_REDIS_URL names no broker"
        seen.append(wrong("nothing here", nothing, _BEGIN))
        show(seen, console)
        return False
    try:
        settings = read_settings(ours)
    except SettingsWrong as error:
        seen.append(wrong("settings", str(error), "deploy/SETTINGS.md has every one"))
        show(seen, console)
        return False
    seen.append(good("settings", "each of them is as it may be"))
    seen += await broker.look(settings)
    for url in urls:
        seen += await gateway.look(url.rstrip("/"), api_key)
    if upstreams and settings.models is not None:
        seen.append(await _upstreams(settings))
    show(seen, console)
    return not any(finding.level == "wrong" for finding in seen)


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
