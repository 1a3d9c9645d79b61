"""The whole API: one line a dialect, and what every process of a service answers."""

from collections.abc import Sequence
from dataclasses import replace

from gateway import health, openapi
from gateway.askers.routes import ROUTES as ASKERS
from gateway.dialects.ag_ui.routes import ROUTES as AG_UI
from gateway.dialects.ai_sdk.routes import ROUTES as AI_SDK
from gateway.dialects.anthropic.routes import ROUTES as ANTHROPIC
from gateway.dialects.native.routes import ROUTES as NATIVE
from gateway.dialects.openai import webhooks
from gateway.dialects.openai.errors import OPENAI_ERRORS
from gateway.dialects.openai.routes import ROUTES as OPENAI
from gateway.rooms.routes import ROUTES as ROOMS
from gateway.rooms.routes import running as rooms_running
from gateway.route import Route, Running
from gateway.speech.routes import OPENAI_ROUTES as OPENAI_SPEECH
from gateway.speech.routes import ROUTES as SPEECH
from shared.build import Build

#: What runs beside the handlers as long as the application does.
RUNNING: Sequence[Running] = (webhooks.delivering, rooms_running)

ROUTES: Sequence[Route] = (
    *NATIVE,
    *AI_SDK,
    *OPENAI,
    *ASKERS,
    *ROOMS,
    *SPEECH,
    *(replace(route, error_shape=OPENAI_ERRORS) for route in OPENAI_SPEECH),
    *ANTHROPIC,
    *AG_UI,
    Route("GET", "/api/heartbeat", health.beat, gives=health.Heartbeat, errors=(), public=True),
    Route("GET", "/livez", health.live, gives=health.Health, errors=(), public=True),
    Route("GET", "/version", health.version, gives=Build, errors=(), public=True),
    Route("GET", "/readyz", health.ready, gives=health.Ready, errors=(503,), public=True),
    Route("GET", "/metrics", health.expose, gives="text/plain", errors=(), public=True, private=True),
    Route("GET", "/openapi.json", openapi.describe, gives="application/json", errors=(), public=True),
    Route("GET", "/docs", openapi.page, gives="text/html", errors=(), public=True),
)
