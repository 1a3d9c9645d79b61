"""
Every error a client can meet, each with its code, HTTP status and whether trying again may help.

A class's docstring is the message a client reads when nothing more precise was given.

HeadraceError
├── InvalidRequest            400
│   ├── UnknownModel          400
│   └── ModelCannotContinue   400
├── Unauthorized              401
│   └── AccessEnded           401
├── Forbidden                 403
│   └── OutOfScope            403
├── NotFound                  404
│   ├── ModelNotFound         404
│   └── PreviousResponseNotFound 404
├── MethodNotAllowed          405
├── RequestTimeout            408
├── Busy                      409
├── Resumable                 409
├── Conflict                  409
├── NotContinuable            409
├── Taken                     409
├── Gone                      410
├── TooLarge                  413
├── UnsupportedMediaType      415
├── RangeNotSatisfiable       416
├── IdempotencyMismatch       422
├── TooBusy                   429
├── RateLimited               429
│   └── BudgetSpent           429
├── Internal                  500
│   └── BrokerRefused         500
├── SpeechUnavailable         501
├── Unavailable               503
│   ├── BrokerUnavailable     503
│   ├── Overloaded            503
│   └── Draining              503
└── GenerationFailed          see `shared/failures.py`
"""


class HeadraceError(Exception):
    """Something went wrong."""

    code: str = "internal"
    status: int = 500
    retryable: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
        detail: dict[str, str] | None = None,
    ) -> None:
        self.message = message or " ".join((self.__doc__ or "").split())
        #: The request's field, header or parameter at fault.
        self.field = field
        #: When trying again makes sense; becomes `Retry-After`.
        self.retry_after_s = retry_after_s
        #: Further facts for the client, shown beside code and message.
        self.detail = detail or {}
        super().__init__(self.message)


class InvalidRequest(HeadraceError):
    """The request is not valid."""

    code = "invalid_request"
    status = 400


class UnknownModel(InvalidRequest):
    """No model of that name is configured."""

    code = "unknown_model"


class ModelCannotContinue(InvalidRequest):
    """This model cannot go on from a text that breaks off: ask it to with a message."""

    code = "model_cannot_continue"


class Unauthorized(HeadraceError):
    """A valid API key is needed: send it as `Authorization: Bearer <key>`."""

    code = "unauthorized"
    status = 401


class AccessEnded(Unauthorized):
    """
    The key or the session that opened this stream opens nothing any more. What it was reading goes on: come
    back with another.
    """

    code = "access_ended"


class Forbidden(HeadraceError):
    """This is not allowed from where you call."""

    code = "forbidden"
    status = 403


class OutOfScope(Forbidden):
    """Your key may not do this."""

    code = "insufficient_scope"


class NotFound(HeadraceError):
    """There is nothing here under that name."""

    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    """No model of that name is configured."""

    code = "model_not_found"


class PreviousResponseNotFound(NotFound):
    """There is no response of that id to go on from."""

    code = "previous_response_not_found"


class MethodNotAllowed(HeadraceError):
    """This address does not answer that method."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(HeadraceError):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408
    retryable = True


class Busy(HeadraceError):
    """The conversation is already being answered."""

    code = "busy"
    status = 409


class Conflict(HeadraceError):
    """This cannot be done as things stand."""

    code = "conflict"
    status = 409


class Resumable(HeadraceError):
    """
    This request names an event that its client has read, and no idempotency key that is known. Sending it
    again would begin another reply: resume the first one with GET at the `Location` its answer had.
    """

    code = "resumable"
    status = 409


class NotContinuable(HeadraceError):
    """Only the last reply of a conversation can be continued, and only if its length has cut it."""

    code = "not_continuable"
    status = 409


class Taken(HeadraceError):
    """There is another of that name by now."""

    code = "taken"
    status = 409


class Gone(HeadraceError):
    """This stream's log has expired."""

    code = "gone"
    status = 410


class TooLarge(HeadraceError):
    """The request's body is too large."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(HeadraceError):
    """Send the body as `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415


class RangeNotSatisfiable(HeadraceError):
    """There is nothing (yet) where this range begins."""

    code = "range_not_satisfiable"
    status = 416

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        size: int | None = None,
        detail: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, field=field, detail=detail)
        #: How many bytes there are in all, where that is known; becomes `Content-Range`.
        self.size = size


class IdempotencyMismatch(HeadraceError):
    """This Idempotency-Key was already used with a different request."""

    code = "idempotency_mismatch"
    status = 422


class TooBusy(HeadraceError):
    """There is more work here than can be taken on; try again later."""

    code = "too_busy"
    status = 429
    retryable = True


class RateLimited(HeadraceError):
    """You have asked for as much as you may for now."""

    code = "rate_limited"
    status = 429
    retryable = True


class BudgetSpent(RateLimited):
    """Your budget is spent."""

    code = "budget_spent"
    retryable = False


class Internal(HeadraceError):
    """Something went wrong on our side."""

    code = "internal"
    status = 500
    retryable = True


class BrokerRefused(Internal):
    """Something went wrong between us and our broker."""


class SpeechUnavailable(HeadraceError):
    """
    Nobody speaks here: install the extra `speech` where a worker runs (pip install 'headrace[speech]'), or
    name a speech server under `[speech]` in models.toml.
    """

    code = "speech_unavailable"
    status = 501


class Unavailable(HeadraceError):
    """The service is not available right now."""

    code = "unavailable"
    status = 503
    retryable = True


class BrokerUnavailable(Unavailable):
    """The service cannot reach its broker right now; try again shortly."""


class Overloaded(Unavailable):
    """More waits for an answer here than can be answered in time; try again later."""

    code = "overloaded"


class Draining(Unavailable):
    """This gateway is shutting down; connect again to reach another."""
