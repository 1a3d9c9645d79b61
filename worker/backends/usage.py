"""What an upstream says that an answer cost, under whichever names."""

from collections.abc import Mapping
from typing import Any

from shared.events import Usage
from worker.backends.tolerant import count


def usage_of(said: Any) -> Usage | None:
    """What the upstream counted; `estimated` where it gave only part of it, the rest being 0."""
    if not isinstance(said, Mapping):
        return None

    def first(*names: str) -> int | None:
        return next((number for name in names if (number := count(said.get(name))) is not None), None)

    def detail(where: tuple[str, ...], name: str) -> int | None:
        inner = [said[field] for field in where if isinstance(said.get(field), Mapping)]
        return next((number for field in inner if (number := count(field.get(name))) is not None), None)

    prompt, completion = first("prompt_tokens", "input_tokens"), first("completion_tokens", "output_tokens")
    total = first("total_tokens")
    if total is not None and prompt is None and completion is not None:
        prompt = max(0, total - completion)
    if total is not None and completion is None and prompt is not None:
        completion = max(0, total - prompt)
    if prompt is None and completion is None:
        return None
    cached = detail(("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reasoning = detail(("completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    return Usage(
        prompt or 0,
        completion or 0,
        (prompt or 0) + (completion or 0) if total is None else total,
        estimated=prompt is None or completion is None,
        cached_tokens=first("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
        if cached is None
        else cached,
        reasoning_tokens=first("reasoning_tokens") if reasoning is None else reasoning,
    )
