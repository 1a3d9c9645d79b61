"""A receiver of traces as OpenTelemetry's collector is one: OTLP over HTTP, in protobuf."""

import gzip
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Span(NamedTuple):
    """One that was received."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    facts: dict[str, Any]
    #: 2 is an error.
    status: int
    began_ns: int
    ended_ns: int


class Receiver:
    """Keeps all *spans* that are sent to its *url*."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, auto_decompress=False)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def of(self, trace: str, name: str = "") -> list[Span]:
        """Those of a trace, by when they began."""
        found = [span for span in self.spans if span.trace == trace and span.name.startswith(name)]
        return sorted(found, key=lambda span: span.began_ns)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            service = _facts(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_span(service, span) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        _facts(span.attributes),
        span.status.code,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {fact.key: _value(fact.value) for fact in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
