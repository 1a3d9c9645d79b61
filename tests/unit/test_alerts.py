"""Each alert of `deploy/prometheus` fires for what it is there for, and is explained in the run book."""

import re
from pathlib import Path
from typing import Any

import pytest

from shared.errors import HeadraceError
from tests.kit import promtool

RUNBOOK = Path(__file__).parents[2] / "deploy" / "RUNBOOK.md"

#: Under which samples each alert has to fire, and after how long: by the minute, or by ten minutes where that
#: is a day. What is in `CALM` besides holds unless it is given here.
FIRES: dict[str, tuple[dict[str, str], str]] = {
    "HeadraceFirstWordsSlowFast": (
        {'headrace_ttft_seconds_bucket{le="2.5"}': "0+1x60", "headrace_ttft_seconds_count": "0+10x60"},
        "1h",
    ),
    "HeadraceFirstWordsSlow": (
        {'headrace_ttft_seconds_bucket{le="2.5"}': "0+8x150", "headrace_ttft_seconds_count": "0+10x150"},
        "1d",
    ),
    "HeadraceDelayHighFast": (
        {
            'headrace_relay_delay_seconds_bucket{le="0.05"}': "0+8x60",
            "headrace_relay_delay_seconds_count": "0+10x60",
        },
        "1h",
    ),
    "HeadraceDelayHigh": (
        {
            'headrace_relay_delay_seconds_bucket{le="0.05"}': "0+95x150",
            "headrace_relay_delay_seconds_count": "0+100x150",
        },
        "1d",
    ),
    "HeadraceRepliesFailFast": (
        {
            'headrace_generation_errors_total{code="worker_lost"}': "0+1x60",
            'headrace_generations_ended_total{outcome="failed"}': "0+1x60",
            'headrace_generations_ended_total{outcome="done"}': "0+9x60",
        },
        "1h",
    ),
    "HeadraceRepliesFail": (
        {
            'headrace_generation_errors_total{code="upstream_failed"}': "0+2x150",
            'headrace_generations_ended_total{outcome="failed"}': "0+2x150",
            'headrace_generations_ended_total{outcome="done"}': "0+98x150",
        },
        "1d",
    ),
    "HeadraceNoGateways": ({'up{job="headrace-gateway",instance="g"}': "0x10"}, "5m"),
    "HeadraceGatewayDown": ({'up{job="headrace-gateway",instance="g2"}': "0x10"}, "5m"),
    "HeadraceNoWorkers": ({'up{job="headrace-worker",instance="w"}': "_x10"}, "5m"),
    "HeadraceWorkerDown": ({'up{job="headrace-worker",instance="w2"}': "0x10"}, "5m"),
    "HeadraceQueueStuck": ({'headrace_queue_oldest_age_seconds{queue="local"}': "0+60x10"}, "8m"),
    "HeadraceShedding": ({'headrace_shed_total{priority="interactive"}': "0+1x10"}, "8m"),
    "HeadraceWorkersLost": ({'headrace_takeovers_total{model="local"}': "0 0 0 1 1 1"}, "5m"),
    "HeadraceLeasesLost": (
        {
            'headrace_leases_lost_total{instance="w"}': "0 0 0 2 2 2",
            'headrace_fenced_appends_total{instance="w"}': "0x10",
        },
        "5m",
    ),
    "HeadraceAttemptsExhausted": (
        {'headrace_attempts_total{kind="exhausted",model="local"}': "0 0 1 1 1 1"},
        "5m",
    ),
    "HeadraceInternalErrors": ({'headrace_generation_errors_total{code="internal"}': "0 0 1 1 1 1"}, "5m"),
    "HeadraceBrokerAway": ({'headrace_broker_answers{job="headrace-gateway",instance="g"}': "1 0x10"}, "5m"),
    "HeadraceBrokerFull": ({'headrace_broker_memory_bytes{primary="only"}': "96x10"}, "5m"),
    "HeadraceBrokerMemoryHigh": ({'headrace_broker_memory_bytes{primary="only"}': "85x10"}, "8m"),
    "HeadraceUnreplicated": ({"headrace_unreplicated_total": "0+1x20"}, "12m"),
    "HeadraceBrokerClockSet": ({"headrace_broker_clock_steps_total": "0 0 1 1 1 1"}, "5m"),
    "HeadraceModelDown": (
        {
            'headrace_upstream_open{model="local",upstream="a"}': "1x10",
            'headrace_upstream_open{model="local",upstream="b"}': "1x10",
        },
        "5m",
    ),
    "HeadraceUpstreamOpen": ({'headrace_upstream_open{model="local",upstream="a"}': "1x10"}, "5m"),
    "HeadraceUpstreamFailing": (
        {'headrace_upstream_requests_total{model="local",outcome="upstream_broke",upstream="a"}': "0+5x20"},
        "12m",
    ),
    "HeadraceUpstreamRefusesUs": (
        {
            'headrace_upstream_requests_total{model="local",outcome="upstream_unauthorized",upstream="a"}': (
                "0 0 1 1 1 1"
            )
        },
        "5m",
    ),
    "HeadraceBudgetSpent": ({'headrace_limited_total{limit="cost_month"}': "0 0 1 1 1 1"}, "5m"),
    "HeadraceConnectionsRefused": ({'headrace_connections_refused_total{reason="full"}': "0+1x10"}, "8m"),
    "HeadraceVersionsMixed": ({'headrace_skipped_total{what="event"}': "0+1x60"}, "45m"),
}
#: A system at which nothing is wrong: some minor trouble that everybody has included.
CALM = {
    'up{job="headrace-gateway",instance="g"}': "1x450",
    'up{job="headrace-worker",instance="w"}': "1x450",
    'headrace_ttft_seconds_bucket{le="2.5"}': "0+98x450",
    "headrace_ttft_seconds_count": "0+100x450",
    'headrace_relay_delay_seconds_bucket{le="0.05"}': "0+995x450",
    "headrace_relay_delay_seconds_count": "0+1000x450",
    'headrace_generation_errors_total{code="upstream_failed"}': "0+1x450",
    # Wrong for any model server: no failure of ours.
    'headrace_generation_errors_total{code="upstream_rejected"}': "0+30x450",
    'headrace_generation_errors_total{code="internal"}': "7x450",
    'headrace_generations_ended_total{outcome="failed"}': "0+31x450",
    'headrace_generations_ended_total{outcome="done"}': "0+970x450",
    'headrace_queue_oldest_age_seconds{queue="local"}': "8x450",
    'headrace_takeovers_total{model="local"}': "3x450",
    'headrace_leases_lost_total{instance="w"}': "1x450",
    'headrace_fenced_appends_total{instance="w"}': "1x450",
    'headrace_attempts_total{kind="exhausted",model="local"}': "1x450",
    'headrace_broker_answers{job="headrace-gateway",instance="g"}': "1x450",
    # Workers do not look.
    'headrace_broker_answers{job="headrace-worker",instance="w"}': "0x450",
    'headrace_broker_memory_bytes{primary="only"}': "50x450",
    'headrace_broker_memory_limit_bytes{primary="only"}': "100x450",
    'headrace_upstream_open{model="local",upstream="a"}': "0x450",
    'headrace_upstream_open{model="local",upstream="b"}': "0x450",
    'headrace_upstream_requests_total{model="local",outcome="ok",upstream="a"}': "0+10x450",
    'headrace_upstream_requests_total{model="local",outcome="upstream_broke",upstream="a"}': "0+1x450",
    'headrace_limited_total{limit="requests"}': "0+5x450",
    'headrace_limited_total{limit="cost_month"}': "2x450",
    'headrace_connections_refused_total{reason="headers"}': "0+1x450",
    'headrace_shed_total{priority="interactive"}': "4x450",
    "headrace_unreplicated_total": "2x450",
    "headrace_broker_clock_steps_total": "1x450",
    'headrace_skipped_total{what="event"}': "3x450",
}


def test_rules_are_valid() -> None:
    """Prometheus takes the rules and the configuration beside them."""
    promtool.promtool("check", "rules", promtool.RULES)
    promtool.promtool("check", "config", promtool.FOLDER / "prometheus.yml")


def test_each_alert_fires(tmp_path: Path) -> None:
    """For what it is there for, and not before."""
    severity = {alert["alert"]: alert["labels"]["severity"] for alert in promtool.alerts()}
    assert set(severity) == set(FIRES)
    tests: dict[str, list[dict[str, Any]]] = {"1m": [], "10m": []}
    # No longer than any of them looks.
    calm = {series: values.replace("x450", "x160") for series, values in CALM.items()}
    for name, (samples, at) in FIRES.items():
        firing = (
            f'count(ALERTS{{alertname="{name}",alertstate="firing",severity="{severity[name]}"}}) > bool 0'
        )
        quiet = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
        every = "10m" if at.endswith("d") else "1m"
        tests[every].append(_test(name, calm | samples, [(firing, at, 1), (quiet, "0m", 0)], every))
    for every, some in tests.items():
        promtool.run_tests(tmp_path, some, every)


def test_none_fires_where_nothing_is_wrong(tmp_path: Path) -> None:
    """However long one waits."""
    for at, every in (("70m", "1m"), ("73h", "10m")):
        calm = _test("calm", CALM, [("count(ALERTS) or vector(0)", at, 0)], every)
        promtool.run_tests(tmp_path, [calm], every)


def test_each_is_caused_by_a_fault_somewhere() -> None:
    """`chaos/test_alerts.py` has a real fault for every one of them."""
    caused = (Path(__file__).parents[1] / "chaos" / "test_alerts.py").read_text()
    assert [alert["alert"] for alert in promtool.alerts() if f'"{alert["alert"]}"' not in caused] == []


def test_the_run_book_explains_each_alert() -> None:
    """An alert's `runbook_url` leads to a section of its own, and says something of what is to be done."""
    sections = dict(re.findall(r"^### (\w+)\n\n(.+?)(?=^##|\Z)", RUNBOOK.read_text(), re.M | re.S))
    for alert in promtool.alerts():
        name = alert["alert"]
        assert alert["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{name.lower()}"
        assert len(sections.pop(name)) > 100
    assert not [name for name in sections if name.startswith("Headrace")], "explained, and gone"


def codes() -> set[str]:
    """Every code that a client can meet."""
    found, kinds = set(), [HeadraceError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.code)
        kinds += kind.__subclasses__()
    return found


def test_the_run_book_explains_each_error_code() -> None:
    """A row for each, and none for what is no more."""
    _, _, table = RUNBOOK.read_text().partition("## Error codes")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == codes()


def _test(
    name: str, samples: dict[str, str], asked: list[tuple[str, str, float]], every: str
) -> dict[str, Any]:
    return {
        "name": name,
        "interval": every,
        "input_series": [{"series": series, "values": values} for series, values in samples.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": value}]}
            for expr, at, value in asked
        ],
    }


@pytest.mark.parametrize("alert", promtool.alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_is_whole(alert: dict[str, Any]) -> None:
    """It says how urgent it is, and what has happened."""
    assert alert["labels"]["severity"] in {"page", "ticket", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
