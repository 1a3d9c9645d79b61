"""
What an asker may use is counted before it is used: a request that begins a reply in one round trip, with the
tokens that it may cost; others where their number is limited. A refusal names the limit and when there is
room again.
"""

import uuid
from collections.abc import Callable
from functools import partial

import msgspec
from aiohttp import web

from gateway.edge.state import ASKER, STATE, VERDICT, State
from shared import metrics
from shared.asker import Asker
from shared.errors import BrokerUnavailable, BudgetSpent, Forbidden, InvalidRequest, RateLimited
from shared.generation import Submission
from shared.ledger import Refusal, Verdict, until_next
from shared.limits import Limited

#: Reserved for a reply whose request does not say how long it may get.
_REPLY_TOKENS = 1024
#: Characters of a request for a token of its prompt, roughly.
_TOKEN_CHARS = 4
#: What has ended is settled by the way once so much is held.
_SETTLE_FROM = 32
#: Refusals that may be of something which has ended meanwhile.
_SETTLED: frozenset[Limited] = frozenset(
    ("concurrent", "queued", "tokens", "tokens_day", "tokens_month", "cost_day", "cost_month")
)
_SAID: dict[Limited, str] = {
    "requests": "requests in a minute",
    "reads": "requests in a minute",
    "concurrent": "replies at once",
    "queued": "replies that wait for a worker",
    "streams": "open streams",
    "tokens": "tokens in a minute",
    "tokens_day": "tokens today",
    "tokens_month": "tokens this month",
    "cost_day": "money for today",
    "cost_month": "money for this month",
}


async def accept(
    request: web.Request, submission: Submission, stream_id: str | None = None
) -> tuple[str, bool]:
    """
    Count and create what *submission* asks for: the generation's id, and whether it is new. What was known
    already, or is refused, costs nothing but the request. In the same step its stream takes a place, if
    *stream_id* names one. Raises `RateLimited`, and what `Generations.create` does.
    """
    state, asker = request.app[STATE], request[ASKER]

    def tell(verdict: Verdict) -> None:
        request[VERDICT] = verdict

    return await accept_for(state, asker, submission, tell, stream_id)


async def accept_for(
    state: State,
    asker: Asker,
    submission: Submission,
    tell: Callable[[Verdict], None] = lambda verdict: None,
    stream_id: str | None = None,
) -> tuple[str, bool]:
    """The same for *asker*, where it is no request's; *tell* hears what became of the count."""
    if not asker.levels:
        accepted = await state.generations.create(submission)
        metrics.tenant_requests.labels(metrics.tenant(asker.tenant), "accepted").inc(accepted[1])
        return accepted
    return await state.generations.surely(_accept(state, asker, submission, tell, stream_id))


async def _accept(
    state: State,
    asker: Asker,
    submission: Submission,
    tell: Callable[[Verdict], None],
    stream_id: str | None,
) -> tuple[str, bool]:
    tokens = _reserved(asker, submission)
    generation_id = submission.generation_id
    admit = partial(
        state.ledger.admit, asker.tenant, asker.levels, generation_id, "message", tokens, stream_id
    )
    verdict = await admit()
    if verdict.refused and verdict.refused.limit in _SETTLED and await state.ledger.settle(asker.tenant):
        verdict = await admit()
    tell(verdict)
    _check(state, asker, verdict)
    try:
        known_id, new = await state.generations.create(submission)
    except BrokerUnavailable:
        raise  # it may have been created all the same: settled by its record, or by there being none
    except Exception:
        await state.ledger.release(asker.tenant, generation_id)
        raise
    metrics.tenant_requests.labels(metrics.tenant(asker.tenant), "accepted").inc(new)
    if not new:
        await state.ledger.release(asker.tenant, generation_id)
    elif verdict.held >= _SETTLE_FROM:
        state.settler.soon(asker.tenant)
    return known_id, new


async def count_read(request: web.Request) -> None:
    """Count a request that begins no reply, where there is a limit. Raises `RateLimited`."""
    state, asker = request.app[STATE], request[ASKER]

    def tell(verdict: Verdict) -> None:
        request[VERDICT] = verdict

    if asker.reads_counted:
        await count_apart(state, asker, tell)


async def count_apart(
    state: State, asker: Asker, tell: Callable[[Verdict], None] = lambda verdict: None
) -> None:
    """Count what begins no reply of *asker*'s own, where there is a limit. Raises `RateLimited`."""
    limited = [level for level in asker.levels if level.limits.requests_per_minute is not None]
    if limited:
        verdict = await state.ledger.admit(asker.tenant, limited, uuid.uuid4().hex, "read", 0)
        tell(verdict)
        _check(state, asker, verdict)


def bounded(asker: Asker, submission: Submission) -> Submission:
    """
    *submission* within the longest reply that its asker may have. Raises `InvalidRequest` for a longer one,
    and `Forbidden` for a model that it may not ask.
    """
    if asker.models is not None and submission.model not in asker.models:
        may = ", ".join(sorted(asker.models))
        raise Forbidden(f"Your key may not ask the model {submission.model!r}, only: {may}.", field="model")
    most, wanted = asker.max_tokens, submission.request.max_tokens
    if most is None:
        return submission
    if wanted is not None and wanted > most:
        raise InvalidRequest(f"A reply may have {most} tokens at most with your key.", field="max_tokens")
    asked = msgspec.structs.replace(submission.request, max_tokens=wanted or most)
    return msgspec.structs.replace(submission, request=asked)


def _reserved(asker: Asker, submission: Submission) -> int:
    """
    Tokens that the reply may cost, roughly; where the request does not say, no more than there may be at all.
    """
    asked = submission.request
    said = len(submission.message) + len(msgspec.json.encode(asked.messages)) * bool(asked.messages)
    tokens = said // _TOKEN_CHARS + (asked.max_tokens or _REPLY_TOKENS)
    bounds = [least for level in asker.levels if (least := level.limits.least_tokens) is not None]
    if bounds and tokens > min(bounds):
        if asked.max_tokens is not None and asked.max_tokens > min(bounds):
            raise InvalidRequest(
                f"This asks for more than the {min(bounds)} tokens that you may use at all.",
                field="max_tokens",
            )
        return min(bounds)
    return tokens


def _check(state: State, asker: Asker, verdict: Verdict) -> None:
    """Raises *verdict* where it is a refusal."""
    if (refused := verdict.refused) is None:
        return
    metrics.limited.labels(refused.limit).inc()
    metrics.tenant_requests.labels(metrics.tenant(asker.tenant), "limited").inc()
    state.audit.exceeded(asker, refused)
    raise _error(refused)


def _error(refused: Refusal) -> RateLimited:
    whose = {"tenant": "Your tenant has", "address": "Your address has"}.get(
        refused.level.partition(":")[0], "You have"
    )
    message = f"{whose} used up the {_SAID[refused.limit]} that there may be."
    detail: dict[str, str] = {"limit": refused.limit}
    if refused.retry_ms:
        return RateLimited(message, retry_after_s=refused.retry_ms / 1000, detail=detail)
    return BudgetSpent(message, retry_after_s=until_next(refused.limit), detail=detail)
