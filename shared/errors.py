"""
Every error a client can meet, each with its code, HTTP status and whether trying again may help.

A class's docstring is the message a client reads when nothing more precise was given.

HeadraceError
├── InvalidRequest            400
│   └── UnknownModel          400
├── Unauthorized              401
├── Forbidden                 403
├── NotFound                  404
│   └── ModelNotFound         404
├── MethodNotAllowed          405
├── Busy                      409
├── Resumable                 409
├── Gone                      410
├── TooLarge                  413
├── UnsupportedMediaType      415
├── IdempotencyMismatch       422
├── TooBusy                   429
├── Internal                  500
│   └── BrokerRefused         500
├── Unavailable               503
│   ├── BrokerUnavailable     503
│   └── Draining              503
└── GenerationFailed          500, ends a log; its status is for who waits for the whole answer
    ├── UpstreamError         502
    │   ├── UpstreamRefused, UpstreamFailed, UpstreamBroke, UpstreamInvalid
    │   ├── UpstreamUnauthorized
    │   ├── UpstreamRejected  400
    │   │   └── ContextLengthExceeded 400
    │   ├── UpstreamRateLimited 429
    │   │   └── InsufficientQuota 429
    │   └── FirstTokenTimeout, BetweenTokensTimeout 504
    ├── TotalTimeout          504
    ├── QueueTimeout, WorkerLost, AttemptsExhausted 503
    ├── LogTooLarge
    └── InternalFailure
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
        #: The upstream's own word for it.
        self.upstream_reason: str | None = None
        super().__init__(self.message)


class InvalidRequest(HeadraceError):
    """The request is not valid."""

    code = "invalid_request"
    status = 400


class UnknownModel(InvalidRequest):
    """No model of that name is configured."""

    code = "unknown_model"


class Unauthorized(HeadraceError):
    """A valid API key is needed: send it as `Authorization: Bearer <key>`."""

    code = "unauthorized"
    status = 401


class Forbidden(HeadraceError):
    """This is not allowed from where you call."""

    code = "forbidden"
    status = 403


class NotFound(HeadraceError):
    """There is nothing here under that name."""

    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    """No model of that name is configured."""

    code = "model_not_found"


class MethodNotAllowed(HeadraceError):
    """This address does not answer that method."""

    code = "method_not_allowed"
    status = 405


class Busy(HeadraceError):
    """The conversation is already being answered."""

    code = "busy"
    status = 409


class Resumable(HeadraceError):
    """
    This request names an event that its client has read, and no idempotency key that is known. Sending it
    again would begin another reply: resume the first one with GET at the `Location` its answer had.
    """

    code = "resumable"
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


class IdempotencyMismatch(HeadraceError):
    """This Idempotency-Key was already used with a different request."""

    code = "idempotency_mismatch"
    status = 422


class TooBusy(HeadraceError):
    """There is more work here than can be taken on; try again later."""

    code = "too_busy"
    status = 429
    retryable = True


class Internal(HeadraceError):
    """Something went wrong on our side."""

    code = "internal"
    status = 500
    retryable = True


class BrokerRefused(Internal):
    """Something went wrong between us and our broker."""


class Unavailable(HeadraceError):
    """The service is not available right now."""

    code = "unavailable"
    status = 503
    retryable = True


class BrokerUnavailable(Unavailable):
    """The service cannot reach its broker right now; try again shortly."""


class Draining(Unavailable):
    """This gateway is shutting down; connect again to reach another."""


class GenerationFailed(HeadraceError):
    """The generation failed."""

    code = "failed"


class UpstreamError(GenerationFailed):
    """The model server failed."""

    code = "upstream_failed"
    status = 502
    retryable = True
    #: The HTTP status it answered with, where it refused.
    upstream_status: int | None = None
    #: Its words where they are for our operator alone.
    said: str | None = None


class UpstreamRefused(UpstreamError):
    """The model server could not be reached."""

    code = "upstream_refused"


class UpstreamRejected(UpstreamError):
    """The model server rejected the request."""

    code = "upstream_rejected"
    status = 400
    retryable = False


class ContextLengthExceeded(UpstreamRejected):
    """The conversation is longer than the model can read."""

    code = "context_length_exceeded"


class UpstreamUnauthorized(UpstreamError):
    """This service has no valid access to its model server: only its operator can mend that."""

    code = "upstream_unauthorized"
    retryable = False


class UpstreamRateLimited(UpstreamError):
    """The model server is limiting our rate."""

    code = "upstream_rate_limited"
    status = 429


class InsufficientQuota(UpstreamRateLimited):
    """This service has used up its quota at the model server: only its operator can raise it."""

    code = "insufficient_quota"
    retryable = False


class UpstreamFailed(UpstreamError):
    """The model server answered with an error."""

    code = "upstream_failed"


class UpstreamBroke(UpstreamError):
    """The model server's answer broke off before its end."""

    code = "upstream_broke"


class UpstreamInvalid(UpstreamError):
    """The model server sent something that is not an answer."""

    code = "upstream_invalid"


class FirstTokenTimeout(UpstreamError):
    """The model server did not begin to answer in time."""

    code = "first_token_timeout"
    status = 504


class BetweenTokensTimeout(UpstreamError):
    """The model server fell silent in mid-answer."""

    code = "between_tokens_timeout"
    status = 504


class TotalTimeout(GenerationFailed):
    """The answer took longer than is allowed."""

    code = "total_timeout"
    status = 504


class QueueTimeout(GenerationFailed):
    """No worker was free in time."""

    code = "queue_timeout"
    status = 503
    retryable = True


class WorkerLost(GenerationFailed):
    """The worker was lost and no other took over in time."""

    code = "worker_lost"
    status = 503
    retryable = True


class AttemptsExhausted(GenerationFailed):
    """Several workers in a row were lost while generating this answer."""

    code = "attempts_exhausted"
    status = 503
    retryable = True


class LogTooLarge(GenerationFailed):
    """The answer grew beyond the allowed size."""

    code = "log_too_large"


class InternalFailure(GenerationFailed):
    """Something went wrong on our side while generating."""

    code = "internal"
    retryable = True


def failure(code: str, message: str, retry_after_s: float | None = None) -> GenerationFailed:
    """The failure that a log or a record tells of."""
    kinds = [GenerationFailed]
    while kinds:
        kind = kinds.pop()
        if kind.code == code:
            return kind(message, retry_after_s=retry_after_s)
        kinds += kind.__subclasses__()
    return GenerationFailed(message, retry_after_s=retry_after_s)
