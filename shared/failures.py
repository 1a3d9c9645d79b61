"""
Every way in which a generation can fail, each with its code, and whether trying again may help.

A failure ends a log; its status is for who waits for the whole answer, or for its first word.

GenerationFailed          500
├── UpstreamError         502
│   ├── UpstreamRefused, UpstreamFailed, UpstreamBroke (UpstreamCutShort), UpstreamInvalid
│   ├── UpstreamUnauthorized
│   ├── UpstreamRejected  400
│   │   └── ContextLengthExceeded 400
│   ├── UpstreamRateLimited 429
│   │   └── InsufficientQuota 429
│   └── FirstTokenTimeout, BetweenTokensTimeout 504
├── TotalTimeout          504
├── QueueTimeout, WorkerLost, AttemptsExhausted 503
├── LogTooLarge
├── SpeechFailed          502
├── SpeechTooLong
└── InternalFailure
"""

from collections.abc import Iterator

from shared.errors import HeadraceError


class GenerationFailed(HeadraceError):
    """The generation failed."""

    code = "failed"
    #: The upstream's own word for it.
    upstream_reason: str | None = None


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


class UpstreamCutShort(UpstreamBroke):
    """The model server ended its answer without saying that it was whole."""


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


class SpeechFailed(GenerationFailed):
    """This text could not be spoken."""

    code = "speech_failed"
    status = 502
    retryable = True


class NothingToSay(GenerationFailed):
    """There is nothing in this text that can be said."""

    code = "nothing_to_say"
    status = 422


class SpeechTooLong(GenerationFailed):
    """The speech grew beyond the allowed size; what was spoken stands."""

    code = "speech_too_long"


class InternalFailure(GenerationFailed):
    """Something went wrong on our side while generating."""

    code = "internal"
    retryable = True


def _kinds(kind: type[GenerationFailed]) -> Iterator[type[GenerationFailed]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


#: Every code that a generation can fail with; and those of them that are an upstream's.
FAILURES = tuple(dict.fromkeys(kind.code for kind in _kinds(GenerationFailed)))
UPSTREAM_FAILURES = tuple(dict.fromkeys(kind.code for kind in _kinds(UpstreamError)))


def failure(code: str, message: str, retry_after_s: float | None = None) -> GenerationFailed:
    """The failure that a log or a record tells of."""
    for kind in _kinds(GenerationFailed):
        if kind.code == code:
            return kind(message, retry_after_s=retry_after_s)
    return GenerationFailed(message, retry_after_s=retry_after_s)
