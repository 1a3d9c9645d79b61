"""The chart, rendered by helm: Kubernetes takes it, its times add up, and wrong values are refused."""

import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from shared import metrics
from shared.settings import Settings
from tests.kit import crds, helm

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "headrace"
SETTINGS = {f"HEADRACE_{name.upper()}" for name in Settings.model_fields}
Manifest = dict[str, Any]

LEAST: dict[str, Any] = {
    "broker": {"existingSecret": "broker"},
    "auth": {"existingSecret": "secret"},
    "models": '[models.scripted]\nbackend = "scripted"\n',
}
ALL: dict[str, Any] = {
    **LEAST,
    "drain": {"graceSeconds": 45, "leaseSeconds": 4, "preStopSeconds": 10},
    "settings": {"HEADRACE_HEARTBEAT_S": 10, "HEADRACE_LOG_LEVEL": "warning"},
    "gateway": {"trustedProxies": ["10.1.0.0/16", "fd00::/8"], "nodeSelector": {"pool": "a"}},
    "worker": {
        "envFrom": [{"secretRef": {"name": "model-keys"}}],
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
    "ingress": {"enabled": True, "host": "chat.example.org", "tlsSecret": "tls"},
    "networkPolicy": {
        "gatewayFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "brokerTo": [{"ipBlock": {"cidr": "10.2.0.0/16"}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "keda": {"enabled": True, "prometheusAddress": "http://prometheus:9090"},
}
VALUES = {"least": LEAST, "all": ALL}


def run(folder: Path, values: Mapping[str, Any], *command: object) -> subprocess.CompletedProcess[str]:
    """A helm command with these values."""
    program = helm.program()
    if program is None:
        pytest.skip("needs helm: python -m tests.kit.helm")
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    return subprocess.run(
        [str(program), *map(str, command), "--values", str(file), "--namespace", "chat"],
        cwd=folder,
        env={"HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def render(folder: Path, values: Mapping[str, Any]) -> list[Manifest]:
    """All that it would have Kubernetes make."""
    done = run(folder, values, "template", "headrace", CHART)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


@pytest.fixture(scope="module", params=sorted(VALUES))
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """Rendered with what has to be set, and with all that there is."""
    return render(tmp_path_factory.mktemp("chart"), VALUES[request.param])


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """By name."""
    return {found["metadata"]["name"]: found for found in manifests if found["kind"] == kind}


def test_its_version() -> None:
    """It is the project's, and so is the image's."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHART.parents[2] / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


@pytest.mark.parametrize("values", sorted(VALUES))
def test_lint(values: str, tmp_path: Path) -> None:
    """helm finds nothing, not even what it would only warn of."""
    done = run(tmp_path, VALUES[values], "lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout


def test_kubernetes_takes_it(manifests: list[Manifest]) -> None:
    """Every field is one that the oldest and the newest Kubernetes know."""
    for manifest in manifests:
        if "." not in manifest["apiVersion"].partition("/")[0] or ".k8s.io/" in manifest["apiVersion"]:
            for version in ("1.29", kubernetes_validate.latest_version()):
                kubernetes_validate.validate(manifest, version, strict=True)


async def test_operators_take_it(tmp_path: Path) -> None:
    """KEDA and the Prometheus operator do, by the schemas of their own types; no field is unknown to them."""
    theirs = [found for found in render(tmp_path, ALL) if found["kind"] in {"ScaledObject", "ServiceMonitor"}]
    assert len(theirs) == 4
    assert await crds.wrong(theirs) == []
    triggers = [each for found in theirs for each in found["spec"].get("triggers", [])]
    assert [each["metadata"]["ignoreNullValues"] for each in triggers] == ["false"] * 3, (
        "what is not known, such as a queue's depth while the broker is away, is taken for nothing"
    )
    theirs[0]["spec"]["surprise"] = theirs[1]["spec"]["surprise"] = 1
    assert len(await crds.wrong(theirs)) == 2


def test_draining_adds_up(manifests: list[Manifest]) -> None:
    """
    A process is given what its load balancer, its grace and its lease take together, and more; whatever may
    be asked of it before has ended by then.
    """
    for deployment in of_kind(manifests, "Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        env = {each["name"]: each.get("value") for each in container["env"]}
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])
        needs = sum(map(float, (sleep[1], env["HEADRACE_DRAIN_GRACE_S"], env["HEADRACE_LEASE_S"])))
        assert pod["terminationGracePeriodSeconds"] > needs
        if container["name"] == "gateway":
            # Not ready is seen before the gateway begins to refuse.
            probe = container["readinessProbe"]
            assert float(sleep[1]) >= probe["periodSeconds"] * probe["failureThreshold"]
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_settings(manifests: list[Manifest]) -> None:
    """Every variable is a setting, said once, and the process takes its value."""
    for deployment in of_kind(manifests, "Deployment").values():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        names = [each["name"] for each in container["env"]]
        assert {*names} <= SETTINGS
        assert len(names) == len({*names})
        given = {
            e["name"].removeprefix("HEADRACE_").lower(): e["value"] for e in container["env"] if "value" in e
        }
        Settings.model_validate(given)


def test_what_may_be_reached(manifests: list[Manifest]) -> None:
    """Names, the broker and its Sentinels, where these are; model servers anywhere."""
    for policy in of_kind(manifests, "NetworkPolicy").values():
        names, broker, outside = policy["spec"]["egress"]
        assert {(port["port"], port["protocol"]) for port in names["ports"]} == {(53, "UDP"), (53, "TCP")}
        assert [port["port"] for port in broker["ports"]] == [6379, 26379]
        assert [port["port"] for port in outside["ports"]] == [443]
        assert "to" not in names and "to" not in outside


def test_pods_are_locked_up(manifests: list[Manifest]) -> None:
    """What Kubernetes calls restricted, and an image that cannot be written to."""
    for deployment in of_kind(manifests, "Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_who_selects_whom(manifests: list[Manifest]) -> None:
    """Services, budgets, policies, monitors and scalers mean pods of one kind, and ports that those have."""
    deployments = of_kind(manifests, "Deployment")
    pods = {name: found["spec"]["template"] for name, found in deployments.items()}
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for name, found in of_kind(manifests, kind).items():
            spec = found["spec"]
            selector = spec["selector"] if kind == "Service" else spec.get("selector") or spec["podSelector"]
            chosen = [
                pod
                for pod in pods.values()
                if matches(selector.get("matchLabels", selector), pod["metadata"])
            ]
            assert len(chosen) == 1, (kind, name)
            ports = {port["name"] for port in chosen[0]["spec"]["containers"][0]["ports"]}
            used = [port["targetPort"] for port in spec.get("ports", [])]
            used += [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
            assert {*used} <= ports, (kind, name)
    for name, monitor in of_kind(manifests, "ServiceMonitor").items():
        selector = monitor["spec"]["selector"]["matchLabels"]
        [service] = [s for s in of_kind(manifests, "Service").values() if matches(selector, s["metadata"])]
        assert [port["name"] for port in service["spec"]["ports"]] == [
            monitor["spec"]["endpoints"][0]["port"]
        ]
        assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == name
    for name, scaled in of_kind(manifests, "ScaledObject").items():
        assert scaled["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in deployments[name]["spec"], "two would decide"
        for trigger in scaled["spec"]["triggers"]:
            asked = set(re.findall(r"headrace_[a-z_]+", trigger["metadata"]["query"]))
            assert asked <= exposed()


def matches(selector: Mapping[str, str], metadata: Manifest) -> bool:
    """Whether something of that metadata is selected."""
    return bool(selector.items() <= metadata["labels"].items())


def exposed() -> set[str]:
    """The metrics that there are."""
    return set(re.findall(r"^# TYPE (\w+)", metrics.expose()[0].decode(), re.MULTILINE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"auth": {"existingSecret": ""}},
        {"models": ""},
        {"broker": {"cells": 3}},
        {"gateway": {"trustedProxies": ["0.0.0.0/0"]}},
        {"gateway": {"trustedProxy": ["10.0.0.1"]}},
        {"settings": {"HEADRACE_DRAIN_GRACE_S": "60"}},
        {"ingress": {"enabled": True}},
        {"keda": {"enabled": True}},
    ],
    ids=str,
)
def test_wrong_values(wrong: dict[str, Any], tmp_path: Path) -> None:
    """What cannot be is refused before anything is made."""
    values = {
        **LEAST,
        **{
            name: {**LEAST.get(name, {}), **what} if isinstance(what, dict) else what
            for name, what in wrong.items()
        },
    }
    assert run(tmp_path, values, "template", "headrace", CHART).returncode != 0
