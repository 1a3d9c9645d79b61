"""What a reply was billed: all that upstreams were asked for it, over attempts, whatever came of it."""

import msgspec

from shared.events import Usage
from shared.outcome import Outcome
from worker.asking import Asking
from worker.upstreams import Upstream


def estimated(reported: Usage, prompt: int, completion: int) -> Usage:
    """*reported*, with counts of ours where the upstream's are not those of the whole reply."""
    return msgspec.structs.replace(
        reported,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        estimated=True,
    )


class Bill:
    """Added up request by request."""

    def __init__(self) -> None:
        self.usage = Usage()
        #: By the prices of models.toml; None where there are none.
        self.cost: float | None = None

    def take_over(self, outcome: Outcome, upstream: Upstream, prompt_tokens: int) -> None:
        """
        Begin with what earlier attempts came to: the log has it up to its last hand-over, and what follows
        that, of *upstream*, is counted by us.
        """
        self.usage, self.cost = outcome.billed, outcome.cost
        if spent := outcome.spent_since:
            self._add(upstream, Usage(prompt_tokens, spent, prompt_tokens + spent, estimated=True))

    def add(self, asking: Asking) -> None:
        """One request more."""
        if (usage := asking.billed) is not None:
            self._add(asking.upstream, usage)

    def _add(self, upstream: Upstream, usage: Usage) -> None:
        self.usage = self.usage.plus(usage)
        if (prices := upstream.model.prices) is not None:
            self.cost = round((self.cost or 0) + prices.of(usage), 12)
