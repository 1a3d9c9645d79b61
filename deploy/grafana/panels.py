"""What the dashboards show, whatever draws it: titles, units and Prometheus' expressions."""

from dataclasses import dataclass, field

#: What Grafana puts in for it follows the scrape interval and the width of the picture.
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """Lines over time. *queries* are expressions by their legends, in which `{{label}}` stands for a label."""

    title: str
    #: Grafana's name: `s`, `bytes`, `percentunit`, `short`, `reqps`, `ops`.
    unit: str
    queries: dict[str, str]
    #: Said behind the title's sign.
    about: str = ""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels, two in a row."""

    uid: str
    title: str
    about: str
    panels: tuple[Panel, ...] = field(default=())


def rate(metric: str, by: str = "") -> str:
    """How much a counter rises in a second, by labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[{RATE}]))"


def quantile(of: float, histogram: str, by: str = "") -> str:
    """A histogram's quantile, by labels."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({of}, sum by ({labels}) (rate({histogram}_bucket[{RATE}])))"


def quantiles(histogram: str) -> dict[str, str]:
    """The usual three."""
    return {f"p{round(of * 100)}": quantile(of, histogram) for of in (0.5, 0.95, 0.99)}


_GATEWAY, _WORKER = '{job="headrace-gateway"}', '{job="headrace-worker"}'

USERS = Dashboard(
    "headrace-users",
    "Headrace: users' experience",
    "What who asks and who reads notices.",
    (
        Panel(
            "First words after", "s", quantiles("headrace_ttft_seconds"), "The objective: 95 % within 2.5 s."
        ),
        Panel(
            "Missed of each objective, in an hour",
            "percentunit",
            {"{{slo}}": "headrace:missed:ratio_rate1h"},
            "First words within 2.5 s (95 %), events within 50 ms (99 %), replies not failed (99.5 %).",
        ),
        Panel("Delay of an event, worker to reader", "s", quantiles("headrace_relay_delay_seconds")),
        Panel("Between two reads of the model server", "s", quantiles("headrace_inter_token_seconds")),
        Panel("Replies ended", "ops", {"{{outcome}}": rate("headrace_generations_ended_total", "outcome")}),
        Panel(
            "Failures by code", "ops", {"{{code}}": rate("headrace_generation_errors_total", "code") + " > 0"}
        ),
        Panel("Replies begun", "ops", {"{{dialect}}": rate("headrace_generations_created_total", "dialect")}),
        Panel("Open streams", "short", {"{{dialect}}": "sum by (dialect) (headrace_open_streams)"}),
        Panel("A reply takes", "s", quantiles("headrace_generation_duration_seconds")),
        Panel(
            "Come back, stopped, left",
            "ops",
            {
                "resumed: {{result}}": rate("headrace_resumes_total", "result"),
                "stopped: {{reason}}": rate("headrace_cancels_total", "reason"),
                "nobody watched: {{policy}}": rate("headrace_abandonments_total", "policy"),
            },
        ),
    ),
)

WORKERS = Dashboard(
    "headrace-workers",
    "Headrace: queue and workers",
    "What waits, who works, and how model servers answer.",
    (
        Panel("Waiting", "short", {"{{queue}}": "headrace:queue_depth:max"}),
        Panel("The first has waited", "s", {"{{queue}}": "headrace:queue_oldest_age_seconds:max"}),
        Panel("Wait for a worker", "s", quantiles("headrace_queue_wait_seconds")),
        Panel(
            "Replies under way", "short", {"{{instance}}": "sum by (instance) (headrace_generations_running)"}
        ),
        Panel("Attempts", "ops", {"{{kind}}": rate("headrace_attempts_total", "kind")}),
        Panel(
            "Workers lost, leases lost",
            "short",
            {
                "taken over": f"sum(increase(headrace_takeovers_total[{RATE}]))",
                "leases lost": f"sum(increase(headrace_leases_lost_total[{RATE}]))",
                "fenced": f"sum(increase(headrace_fenced_appends_total[{RATE}]))",
            },
        ),
        Panel(
            "Model server's first delta, p95",
            "s",
            {"{{model}}": quantile(0.95, "headrace_upstream_ttft_seconds", "model")},
        ),
        Panel(
            "Requests to upstreams",
            "reqps",
            {
                "{{upstream}} {{outcome}}": rate("headrace_upstream_requests_total", "upstream, outcome")
                + " > 0"
            },
        ),
        Panel(
            "Upstreams left alone",
            "short",
            {"{{model}} {{upstream}}": "max by (model, upstream) (headrace_upstream_open)"},
        ),
        Panel(
            "Asked again, handed over, hedged",
            "ops",
            {
                "again": rate("headrace_upstream_retries_total"),
                "handed over: {{code}}": rate("headrace_hand_overs_total", "code"),
                "hedged": rate("headrace_hedges_total"),
                "no reason given": rate("headrace_ends_unsaid_total"),
            },
        ),
        Panel(
            "CPU of workers",
            "percentunit",
            {"{{instance}}": f"rate(process_cpu_seconds_total{_WORKER}[{RATE}])"},
        ),
        Panel("Memory of workers", "bytes", {"{{instance}}": f"process_resident_memory_bytes{_WORKER}"}),
        Panel("Workers that answer", "short", {"workers": f"sum(up{_WORKER})"}),
        Panel("Cancel to upstream closed", "s", {"p99": quantile(0.99, "headrace_cancel_seconds")}),
    ),
)

BROKER = Dashboard(
    "headrace-broker",
    "Headrace: broker and cells",
    "What the broker is asked, and how it is.",
    (
        Panel(
            "Answers",
            "short",
            {"{{primary}}": f"min by (primary) (headrace_broker_answers{_GATEWAY})"},
            "1, or 0 where a gateway does not reach that primary.",
        ),
        Panel("Memory", "bytes", {"{{primary}}": "max by (primary) (headrace_broker_memory_bytes)"}),
        Panel(
            "Memory of maxmemory",
            "percentunit",
            {"{{primary}}": "headrace:broker_memory:ratio"},
            "Only where it has a limit.",
        ),
        Panel("Cells by primary", "short", {"{{primary}}": "max by (primary) (headrace_broker_cells)"}),
        Panel("Round trips", "ops", {"{{command}}": rate("headrace_redis_round_trips_total", "command")}),
        Panel(
            "Not answered, not replicated",
            "ops",
            {
                "failed: {{command}}": rate("headrace_redis_failures_total", "command"),
                "too few replicas": rate("headrace_unreplicated_total"),
            },
        ),
        Panel("Events written", "ops", {"{{instance}}": rate("headrace_events_appended_total", "instance")}),
        Panel(
            "Events an append",
            "short",
            {
                "mean": f"{rate('headrace_append_batch_events_sum')} / {rate('headrace_append_batch_events_count')}"
            },
        ),
        Panel(
            "Clock set", "short", {"{{instance}}": "sum by (instance) (headrace_broker_clock_steps_total)"}
        ),
        Panel(
            "Deliveries missed and read from the log", "ops", {"healed": rate("headrace_gaps_healed_total")}
        ),
    ),
)

GATEWAYS = Dashboard(
    "headrace-gateways",
    "Headrace: gateway internals",
    "What a gateway's process is busy with.",
    (
        Panel(
            "CPU",
            "percentunit",
            {"{{instance}}": f"rate(process_cpu_seconds_total{_GATEWAY}[{RATE}])"},
            "One core is all that one can use.",
        ),
        Panel("Memory", "bytes", {"{{instance}}": f"process_resident_memory_bytes{_GATEWAY}"}),
        Panel("Open streams", "short", {"{{instance}}": "sum by (instance) (headrace_open_streams)"}),
        Panel("Connections", "short", {"{{instance}}": f"headrace_connections{_GATEWAY}"}),
        Panel("Requests", "reqps", {"{{status}}": rate("headrace_http_requests_total", "status")}),
        Panel("Requests by route", "reqps", {"{{route}}": rate("headrace_http_requests_total", "route")}),
        Panel(
            "Refused",
            "reqps",
            {
                "connections: {{reason}}": rate("headrace_connections_refused_total", "reason"),
                "would wait too long: {{priority}}": rate("headrace_shed_total", "priority"),
                "no key": rate("headrace_refused_askers_total"),
            },
        ),
        Panel(
            "Readers",
            "ops",
            {
                "fell behind their buffer": rate("headrace_slow_subscribers_total"),
                "heartbeats": rate("headrace_heartbeats_total"),
            },
        ),
        Panel("Open files", "short", {"{{instance}}": f"process_open_fds{_GATEWAY}"}),
        Panel(
            "Skipped",
            "ops",
            {"{{what}}": rate("headrace_skipped_total", "what")},
            "What another version wrote, or nobody can read.",
        ),
        Panel(
            "Collections of garbage",
            "ops",
            {"{{instance}}": f"sum by (instance) (rate(python_gc_collections_total{_GATEWAY}[{RATE}]))"},
        ),
        Panel("A scrape takes", "s", {"{{instance}}": f"scrape_duration_seconds{_GATEWAY}"}),
    ),
)

TENANTS = Dashboard(
    "headrace-tenants",
    "Headrace: tenants and cost",
    "Who asks, what it costs, and who has met a limit.",
    (
        Panel(
            "Replies begun",
            "reqps",
            {"{{tenant}}": rate('headrace_tenant_requests_total{outcome="accepted"}', "tenant")},
        ),
        Panel(
            "Refused by a limit",
            "reqps",
            {"{{tenant}}": rate('headrace_tenant_requests_total{outcome="limited"}', "tenant")},
        ),
        Panel(
            "Tokens a second",
            "ops",
            {"{{tenant}} {{kind}}": rate("headrace_tenant_tokens_total", "tenant, kind")},
        ),
        Panel(
            "Money an hour, by tenant",
            "short",
            {"{{tenant}}": f"3600 * {rate('headrace_tenant_cost_total', 'tenant')}"},
        ),
        Panel(
            "Money an hour, by model",
            "short",
            {"{{model}}": f"3600 * {rate('headrace_cost_total', 'model')}"},
        ),
        Panel(
            "Tokens a second, by model",
            "ops",
            {"{{model}} {{kind}}": rate("headrace_tokens_total", "model, kind")},
        ),
        Panel("Limits met", "reqps", {"{{limit}}": rate("headrace_limited_total", "limit") + " > 0"}),
        Panel("Would wait too long", "reqps", {"{{priority}}": rate("headrace_shed_total", "priority")}),
    ),
)

DASHBOARDS = (USERS, WORKERS, BROKER, GATEWAYS, TENANTS)
