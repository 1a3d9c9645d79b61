"""
What `models.toml` says of a model's upstreams, and where each stands among the others.

[[models.chat.upstreams]]
base_url = "https://api.example.org/v1"
api_key_env = "EXAMPLE_KEY"
weight = 3                                     # of those with the same `order`; else asked as listed
takes = ["pictures", "tools", "top_k"]         # else whatever the model takes
prices = { prompt = 0.25, completion = 2.0 }   # for a million tokens
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec

from shared.events import Usage

#: What a model may lack, and an upstream take.
Ability = Literal["pictures", "sounds", "files", "tools"]
ABILITIES: frozenset[str] = frozenset(get_args(Ability))

BackendName = Literal["openai_compatible", "scripted"]

Seconds = Annotated[float, msgspec.Meta(gt=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Price = Annotated[float, msgspec.Meta(ge=0)]

_PER = 1_000_000


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a million tokens cost, in whatever currency the operator counts in."""

    #: Tokens of the prompt.
    prompt: Price
    #: Tokens of the answer, reasoning included.
    completion: Price
    #: Those of the prompt that the server had cached; else as the others.
    cached: Price | None = None
    #: Those of the answer that were reasoning; else as the others.
    reasoning: Price | None = None

    def of(self, usage: Usage) -> float:
        """What *usage* costs."""
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        reasoning = min(usage.reasoning_tokens or 0, usage.completion_tokens)
        return (
            (usage.prompt_tokens - cached) * self.prompt
            + cached * (self.prompt if self.cached is None else self.cached)
            + (usage.completion_tokens - reasoning) * self.completion
            + reasoning * (self.completion if self.reasoning is None else self.reasoning)
        ) / _PER


class UpstreamEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of a model's upstreams, as the file has it. What it leaves out is as the model has it."""

    #: What logs, metrics and records call it; else its place among them: `1`, `2`, ….
    name: str | None = None
    #: The kind of server.
    backend: BackendName | None = None
    #: Its address.
    base_url: str | None = None
    #: Its own name for the model.
    upstream_model: str | None = None
    #: The environment variable that holds its API key.
    api_key_env: str | None = None
    #: Lower ones are asked first. Without `order` and `weight` anywhere: as they are listed; else all alike.
    order: int | None = None
    #: Its share among those of the same order; where all have the same, the least loaded is asked.
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1
    #: Requests that one worker process has under way there at once; else as many as there are.
    concurrency: AtLeastOne | None = None
    #: It can go on from a text that breaks off.
    can_continue: bool | None = None
    #: What it takes of what requests may have: `pictures`, `sounds`, `files`, `tools`, and parameters beyond
    #: OpenAI's; what needs more goes elsewhere. Else all that the model takes.
    takes: frozenset[str] | None = None
    #: Sent with every request to it, over the model's own.
    parameters: dict[str, Any] = {}
    #: How long its answer may take to begin; never longer than what is left of the model's own limit.
    first_token_timeout_s: Seconds | None = None
    #: How long it may fall silent within its answer.
    between_tokens_timeout_s: Seconds | None = None
    #: Seconds since the last delta that its signs of life may bridge.
    silence: Seconds | None = None
    #: Tokens of history and prompt that are sent to it.
    max_context_tokens: AtLeastOne | None = None
    #: Its answers begin with reasoning between these.
    think_tags: bool | tuple[str, str] | None = None
    #: It never says why an answer ended.
    ends_unsaid: bool | None = None
    #: Where it is: a label for people.
    region: str | None = None
    #: What its tokens cost.
    prices: Prices | None = None


#: What says where an upstream stands among the others, and is none of its server's own settings.
_PLACE = frozenset({"name", "order", "weight", "concurrency", "takes", "region"})
#: What a model passes on to its upstreams.
FILLED = tuple(name for name in UpstreamEntry.__struct_fields__ if name not in _PLACE | {"parameters"})


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream among a model's others."""

    name: str
    order: int
    weight: float
    concurrency: int | None
    takes: frozenset[str]
    region: str | None


def places(entries: Sequence[UpstreamEntry], cannot: Iterable[str], accepts: frozenset[str]) -> list[Place]:
    """Where each of *entries* stands. Raises `ValueError` with the upstream and the field at fault."""
    placed = any(entry.order is not None or entry.weight != 1 for entry in entries)
    found: list[Place] = []
    for number, entry in enumerate(entries, 1):
        name = entry.name if entry.name is not None else str(number)
        if not name or "/" in name or not name.isprintable():
            raise ValueError(f"upstream {number}, name: {name!r} is no name: letters without `/`")
        if name in {place.name for place in found}:
            raise ValueError(f"upstream {number}, name: {name!r} is another's name")
        if not math.isfinite(entry.weight):
            raise ValueError(f"upstream {number}, weight: must be finite")
        abilities = ABILITIES if entry.takes is None else entry.takes & ABILITIES
        extras = accepts if entry.takes is None else entry.takes - ABILITIES
        order = entry.order if entry.order is not None else 0 if placed else number
        found.append(
            Place(
                name=name,
                order=order,
                weight=entry.weight,
                concurrency=entry.concurrency,
                takes=(abilities - frozenset(cannot)) | extras,
                region=entry.region,
            )
        )
    return found


def no_upstream(name: str, places: Sequence[Place], needs: frozenset[str]) -> str | None:
    """Why no upstream of the model *name* can serve what *needs* all of these; None where one can."""
    lacks = [(place.name, sorted(needs - place.takes)) for place in places]
    if any(not lacking for _, lacking in lacks):
        return None
    each = "; ".join(f"{upstream} does not take {', '.join(lacking)}" for upstream, lacking in lacks)
    return f"No upstream of the model {name!r} can serve this: {each}."


#: Content parts that need an ability of their own.
PARTS: dict[str, Ability] = {"image_url": "pictures", "input_audio": "sounds", "file": "files"}


def needs_of(
    messages: Iterable[Mapping[str, Any]], parameters: Mapping[str, Any], extras: frozenset[str]
) -> frozenset[str]:
    """What a request needs its upstream to take: abilities, and those of its parameters that are *extras*."""
    needs = set(parameters) & extras
    if parameters.get("tools") and parameters.get("tool_choice") != "none":
        needs.add("tools")
    for message in messages:
        if message.get("tool_calls") or message.get("role") in {"tool", "function"}:
            needs.add("tools")
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if (ability := PARTS.get(str(part.get("type")))) is not None:
                needs.add(ability)
    return frozenset(needs)
