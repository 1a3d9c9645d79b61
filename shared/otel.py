"""
Our spans, by OpenTelemetry: sent by OTLP over HTTP to where the OTEL_… variables say.

Of what is asked and answered nothing is in them, unless `content` is wanted. A worker that is killed sends
nothing more: what it had under way is told by the one that takes over.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from shared.queue import Claim

_TRACEPARENT = "traceparent"
_LAST_WORDS_S = 2.0
_NS = 1_000_000_000


class Spans:
    """Makes them for one process, and sends them from a thread of its own."""

    def __init__(self, service: str, *, content: bool) -> None:
        """*service* is what this process is called, unless OTEL_SERVICE_NAME says otherwise."""
        #: Whether prompts and answers are told, too.
        self.content = content
        about = {"service.version": version("headrace"), "service.instance.id": secrets.token_hex(8)}
        if "OTEL_SERVICE_NAME" not in os.environ:
            about["service.name"] = service
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("headrace", version("headrace"))
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what has ended; what nobody takes within two seconds is lost."""
        # By itself it waits for thirty: a collector that is away must not hold up a process' end.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_LAST_WORDS_S)

    @contextmanager
    def request(
        self, method: str, route: str, traceparent: str | None, tracestate: str | None
    ) -> Iterator[Span]:
        """A client's request, with its whole answer."""
        sent = {_TRACEPARENT: traceparent or "", "tracestate": tracestate or ""}
        attributes = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}", self._propagator.extract(sent), SpanKind.SERVER, attributes
        ) as span:
            yield span

    def here(self) -> str:
        """The span under way, as a `traceparent`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_TRACEPARENT, "")

    @contextmanager
    def attempt(self, claim: Claim) -> Iterator[Span]:
        """A worker's turn at a generation, after the wait for it or the attempt of a worker that was lost."""
        generation, now = claim.generation, time.time_ns()
        parent = self._propagator.extract({_TRACEPARENT: generation.trace or ""})
        facts: dict[str, AttributeValue] = {
            "headrace.generation.id": generation.id,
            "gen_ai.request.model": generation.model,
        }
        if claim.taken_over:
            began = now - int(claim.begun_s * _NS)
            lost = {**facts, "headrace.attempt": generation.attempt - 1, "error.type": "worker_lost"}
            self._past("attempt", parent, began, now, lost)
        elif generation.attempt == 1:
            waited = {**facts, "headrace.queue": claim.queue}
            self._past("queue", parent, now - int(claim.queued_s * _NS), now, waited)
        facts_of = {**facts, "headrace.attempt": generation.attempt}
        with self._tracer.start_as_current_span("attempt", parent, SpanKind.CONSUMER, facts_of) as span:
            yield span

    @contextmanager
    def upstream(self, model: str, attributes: Mapping[str, AttributeValue]) -> Iterator[Span]:
        """One request to a model server, as the conventions for generative AI have it."""
        with self._tracer.start_as_current_span(
            f"chat {model}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def tell(self, facts: Mapping[str, AttributeValue]) -> None:
        """Something of the span under way."""
        trace.get_current_span().set_attributes(facts)

    def failed(self, code: str) -> None:
        """The span under way has failed."""
        span = trace.get_current_span()
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR, code))

    def _past(
        self, name: str, parent: Context, began: int, ended: int, facts: Mapping[str, AttributeValue]
    ) -> None:
        span = self._tracer.start_span(name, parent, attributes=facts, start_time=began)
        if "error.type" in facts:
            span.set_status(Status(StatusCode.ERROR, str(facts["error.type"])))
        span.end(ended)
