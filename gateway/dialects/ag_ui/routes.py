"""AG-UI."""

from collections.abc import Sequence

from gateway.dialects.ag_ui import runs
from gateway.edge.cancellation import Receipt
from gateway.route import IDEMPOTENT, RESUME, STRING, Route

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        "/api/ag-ui",
        runs.run,
        body=runs.RunInput,
        errors=(400, 401, 404, 409, 410, 413, 415, 422, 429, 503),
        statuses=(200, 204),
        parameters=(*IDEMPOTENT, RESUME[0]),
    ),
    Route(
        "GET",
        "/api/ag-ui/{thread_id}/stream",
        runs.resume,
        statuses=(200, 204),
        errors=(400, 401, 404, 410, 429, 503),
        parameters=(*RESUME, ("query", "run_id", STRING)),
    ),
    Route("POST", "/api/ag-ui/{thread_id}/stop", runs.halt, gives=Receipt, statuses=(200, 202, 204)),
)
