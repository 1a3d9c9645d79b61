"""Every expression of dashboards and rules finds data in a real Prometheus over a busy system."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout

from deploy.grafana.dashboards import FOLDER, rendered
from deploy.grafana.panels import DASHBOARDS
from tests.kit import debian, promtool
from tests.kit.busy import Watched, watched

SECONDS = 5.0
#: What this system is made to suffer, and nothing else.
SUFFERED = {
    "HeadraceWorkersLost",
    "HeadraceWorkerDown",
    "HeadraceInternalErrors",
    "HeadraceBudgetSpent",
    "HeadraceRepliesFail",
    "HeadraceRepliesFailFast",
    "HeadraceUpstreamFailing",
    "HeadraceUpstreamOpen",
    # How slow it is tells of the machine.
    "HeadraceDelayHigh",
    "HeadraceDelayHighFast",
    "HeadraceFirstWordsSlow",
    "HeadraceFirstWordsSlowFast",
    "HeadraceLeasesLost",
}
HELM = FOLDER.parent / "helm"
#: What a chart puts between braces: labels of its own.
TEMPLATED = re.compile(r"\{ *\{\{.*?\}\} *\}")
#: What an alert compares: without it, its expression gives what there is, not what is wrong.
COMPARED = re.compile(r" (>|<|==) (?=[\d.]+)")


def test_the_json_is_what_the_code_says() -> None:
    """`python -m deploy.grafana` would write what is there."""
    assert {file.name: file.read_text() for file in FOLDER.glob("*.json")} == rendered()


async def test_every_expression_finds_data(tmp_path: Path) -> None:
    """Of every panel, recording rule and alert."""
    if debian.program("prometheus") is None:
        pytest.skip("needs prometheus")
    async with (
        ClientSession(timeout=ClientTimeout(total=30)) as http,
        watched(tmp_path, http, SECONDS) as system,
    ):
        empty = [expr async for expr in _empty(system)]
        assert not empty, "\n".join(empty)
        firing = await system.prometheus.firing()
        assert "HeadraceWorkersLost" in firing
        assert firing <= SUFFERED


async def _empty(system: Watched) -> AsyncIterator[str]:
    """Those expressions that find nothing."""
    exprs = [
        (panel.title, expr)
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for expr in panel.queries.values()
    ]
    exprs += [(str(rule.get("alert", rule.get("record"))), rule["expr"]) for rule in promtool.rules()]
    for file in HELM.rglob("keda.yaml"):
        queries = re.findall(r"^ *query: (.+)$", file.read_text(), re.M)
        exprs += [("a scaler", TEMPLATED.sub("", query)) for query in queries]
    for title, expr in exprs:
        if not await system.shown(COMPARED.sub(r" \1 bool ", expr) if "Headrace" in title else expr):
            yield f"{title}: {expr}"
