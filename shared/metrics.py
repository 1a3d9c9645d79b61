"""
Every metric, on one screen. Base units; labels are `model`, `upstream`, `dialect`, a `tenant` or a `primary`
(of either a bounded number), or a small closed set; never an id.

Both processes import this and serve all of it: what a process never touches stays at zero there.
"""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import REGISTRY, Gauge, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.build import running
from shared.counting import Counter, Histogram
from shared.failures import FAILURES, UPSTREAM_FAILURES
from shared.limits import Limited

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

# What runs

build_info = Info("headrace_build", "Always 1: its labels say which build of Headrace this is.")
build_info.info(running().labels)

# Latencies

ttft = Histogram(
    "headrace_ttft_seconds",
    "Request accepted to first text written to the client.",
    ["model", "dialect"],
    buckets=_FAST,
)
queue_wait = Histogram("headrace_queue_wait_seconds", "Job due to job taken.", ["model"], buckets=_FAST)
upstream_ttft = Histogram(
    "headrace_upstream_ttft_seconds", "Upstream request sent to first delta.", ["model"], buckets=_FAST
)
inter_token = Histogram(
    "headrace_inter_token_seconds",
    "Between two reads with deltas from the upstream.",
    ["model"],
    buckets=_FAST,
)
relay_delay = Histogram(
    "headrace_relay_delay_seconds",
    "Event made in the worker to written to the client's socket.",
    buckets=_FAST,
)
generation_duration = Histogram(
    "headrace_generation_duration_seconds", "First claim to terminal event.", ["model"], buckets=_LONG
)
cancel_latency = Histogram(
    "headrace_cancel_seconds", "Cancel noticed by the worker to upstream closed.", buckets=_FAST
)

# Generations

generations_created = Counter("headrace_generations_created", "Generations accepted.", ["model", "dialect"])
generations_ended = Counter(
    "headrace_generations_ended", "Generations by outcome: done, failed, cancelled.", ["model", "outcome"]
)
generation_errors = Counter(
    "headrace_generation_errors", "Failed generations by error code.", ["model", "code"]
)
generations_running = Gauge(
    "headrace_generations_running", "Generations under way in this worker.", ["model"]
)
tokens = Counter(
    "headrace_tokens", "Tokens by kind: prompt (some cached), completion (some reasoning).", ["model", "kind"]
)
cancels = Counter(
    "headrace_cancels", "Generations stopped, by reason: user, interrupted, abandoned.", ["reason"]
)
abandonments = Counter("headrace_abandonments", "Generations that ended with nobody watching.", ["policy"])
attempts = Counter(
    "headrace_attempts", "Attempts by kind: first, continued, reset, exhausted.", ["model", "kind"]
)
ends_unsaid = Counter(
    "headrace_ends_unsaid", "Answers whose model server ended them without a reason.", ["model"]
)
upstream_retries = Counter("headrace_upstream_retries", "Upstream requests repeated.", ["model"])
upstream_requests = Counter(
    "headrace_upstream_requests",
    "Upstream requests by outcome: ok, closed (by us), or the code of what went wrong.",
    ["model", "upstream", "outcome"],
)
hand_overs = Counter(
    "headrace_hand_overs", "Replies that another upstream went on with, in mid-reply.", ["model", "code"]
)
hedges = Counter("headrace_hedges", "Second upstreams asked because the first was silent.", ["model"])
pictures = Counter(
    "headrace_pictures", "Pictures of replies, by what became of them: kept, or why not.", ["outcome"]
)
upstream_open = Gauge(
    "headrace_upstream_open", "Upstreams that are left alone for now (1) or not (0).", ["model", "upstream"]
)
cost = Counter("headrace_cost", "What upstreams were paid, by the prices of models.toml.", ["model"])

# Streams

open_streams = Gauge("headrace_open_streams", "SSE streams open in this gateway.", ["dialect"])
resumes = Counter(
    "headrace_resumes", "Streams attached again, by result: ok, finished, gone, not_found.", ["result"]
)
gaps_healed = Counter("headrace_gaps_healed", "Live deliveries that were missed and read from the log.")
slow_subscribers = Counter(
    "headrace_slow_subscribers", "Times a reader fell behind its buffer and was sent to the log."
)
heartbeats = Counter("headrace_heartbeats", "Heartbeat comments written.")

# Queue and broker

queue_depth = Gauge(
    "headrace_queue_depth", "Generations waiting for a worker, of those primaries that answer.", ["queue"]
)
queue_oldest_age = Gauge(
    "headrace_queue_oldest_age_seconds", "How long the first in the queue has waited.", ["queue"]
)
takeovers = Counter("headrace_takeovers", "Generations taken over from a worker that was lost.", ["model"])
leases_lost = Counter("headrace_leases_lost", "Running generations this worker lost to another.")
fenced_appends = Counter("headrace_fenced_appends", "Appends refused because a newer attempt owns the log.")
events_appended = Counter("headrace_events_appended", "Events written to logs.")
append_batch = Histogram(
    "headrace_append_batch_events", "Events in one append.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
redis_round_trips = Counter("headrace_redis_round_trips", "Commands sent to Redis.", ["command"])
redis_failures = Counter("headrace_redis_failures", "Commands that Redis did not answer.", ["command"])
broker_answers = Gauge(
    "headrace_broker_answers",
    "Whether a primary answers all that this gateway asks at a scrape (1) or not (0).",
    ["primary"],
)
broker_memory = Gauge(
    "headrace_broker_memory_bytes",
    "What a primary holds; only where its user may ask (`+info`).",
    ["primary"],
)
broker_memory_limit = Gauge(
    "headrace_broker_memory_limit_bytes", "Its `maxmemory`; not there where it has none.", ["primary"]
)
broker_cells = Gauge("headrace_broker_cells", "Cells that live on a primary.", ["primary"])
broker_clock_steps = Counter(
    "headrace_broker_clock_steps", "Times the broker's clock was seen to have been set."
)
unreplicated = Counter(
    "headrace_unreplicated", "Times too few replicas confirmed what a gateway or worker had written."
)
skipped = Counter(
    "headrace_skipped",
    "What a newer version wrote or nobody can read, by kind: event, push, cancel, settings.",
    ["what"],
)
connections = Gauge("headrace_connections", "Connections of clients to this gateway.")
connections_refused = Counter(
    "headrace_connections_refused",
    "Connections without room or ended for slow sending, by reason: full, address, headers, body.",
    ["reason"],
)
refused_askers = Counter("headrace_refused_askers", "Requests without a key or token that opens anything.")
shed = Counter("headrace_shed", "Submissions refused because they would wait too long.", ["priority"])
limited = Counter("headrace_limited", "Requests refused by a limit of their asker's.", ["limit"])
tenant_requests = Counter(
    "headrace_tenant_requests",
    "Requests by outcome: accepted (a reply begins), limited.",
    ["tenant", "outcome"],
)
tenant_tokens = Counter(
    "headrace_tenant_tokens",
    "Tokens of replies that were settled, by kind: prompt, completion.",
    ["tenant", "kind"],
)
tenant_cost = Counter(
    "headrace_tenant_cost", "What those replies cost, by the prices of models.toml.", ["tenant"]
)
requests = Counter("headrace_http_requests", "HTTP requests answered.", ["route", "status"])


_known: frozenset[str] | None = None


def know(models: Iterable[str]) -> None:
    """
    These are the models of models.toml: no other becomes a label.

    What is rare begins at zero: of what first appears as one, Prometheus sees no rise.
    """
    global _known
    _known = frozenset(models)
    for model in _known:
        takeovers.labels(model)
        attempts.labels(model, "exhausted")
        for rare in (ends_unsaid, hedges, upstream_retries):
            rare.labels(model)
        for outcome in ("done", "failed", "cancelled"):
            generations_ended.labels(model, outcome)
        for code in FAILURES:
            generation_errors.labels(model, code)
    for limit in get_args(Limited):
        limited.labels(limit)
    for result in ("ok", "finished", "gone", "not_found"):
        resumes.labels(result)
    for stopped in ("user", "interrupted", "abandoned"):
        cancels.labels(stopped)
    for policy in ("continue", "cancel"):
        abandonments.labels(policy)
    for priority in ("interactive", "background"):
        shed.labels(priority)
    for reason in ("full", "address"):
        connections_refused.labels(reason)
    for what in ("event", "push", "cancel", "settings"):
        skipped.labels(what)


def know_upstream(model: str, upstream: str) -> None:
    """This is one of a model's upstreams."""
    upstream_open.labels(model, upstream).set(0)
    for outcome in ("ok", "closed", *UPSTREAM_FAILURES):
        upstream_requests.labels(model, upstream, outcome)


def labelled(model: str) -> str:
    """The label of a model, which clients may call anything where names pass through."""
    return model if _known is None or model in _known else "*"


#: Of more tenants, those that come later share a label.
_MOST_TENANTS = 200
_tenants: dict[str, str] = {}


def tenant(name: str) -> str:
    """The label of a tenant: its name, for as many as there may be labels."""
    label = _tenants.get(name)
    if label is None:
        if len(_tenants) == _MOST_TENANTS:
            return "*"
        label = _tenants[name] = name
    return label


def expose() -> tuple[bytes, str]:
    """All metrics in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
