"""
Traces, where they are wanted (`HEADRACE_OTEL`): one from the client's `traceparent` through its request, the
queue, attempts and requests to upstreams.

OpenTelemetry is imported by `begin` alone; without it, each place that could be traced looks at one name.
"""

import re
from typing import TYPE_CHECKING

from shared.settings import Settings
from shared.startup import SettingsWrong

if TYPE_CHECKING:
    from shared.otel import Spans

#: As https://www.w3.org/TR/trace-context/ has it; neither id may be all zeros.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

#: None where nothing is traced.
spans: "Spans | None" = None


def begin(settings: Settings, service: str) -> None:
    """Trace from now on, if that is wanted. Raises `SettingsWrong` where OpenTelemetry is not installed."""
    global spans
    if settings.otel:
        try:
            from shared.otel import Spans
        except ImportError as error:
            raise SettingsWrong([("otel", "needs OpenTelemetry: pip install 'headrace[otel]'")]) from error
        spans = Spans(service, content=settings.otel_content)


def end() -> None:
    """Send what has not been sent, and trace no more."""
    global spans
    if spans is not None:
        spans.close()
        spans = None


def checked(traceparent: str | None) -> str | None:
    """A `traceparent` that somebody has sent, if it is one."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None


def trace_id(traceparent: str | None) -> str | None:
    """The id of the trace that it names, for logs."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found[1] if found else None
