"""
The models that can be asked for: `models.toml`, read and checked once.

default = "local"                      # the model of requests that name none; else the first

[models.local]
base_url = "http://127.0.0.1:8081/v1"  # an OpenAI-compatible server
upstream_model = "gemma-3-270m"        # its own name for the model; else ours
api_key_env = "OPENAI_API_KEY"         # the environment variable that holds its key
parameters = { temperature = 0.3 }     # sent with every request
accepts = ["top_k", "min_p"]           # further parameters that its clients may send
think_tags = true                      # "<think>…</think>" at the head of an answer is reasoning
silence = 300                          # seconds that a model may think while it gives signs of life

A model of several servers has an `[[models.NAME.upstreams]]` for each: see `shared/upstream.py`. The model
`"*"` serves every name that no other has, under that name.
"""

import math
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec

from shared.speech import QUEUE as SPEECH_QUEUE
from shared.upstream import (
    ABILITIES,
    FILLED,
    Ability,
    BackendName,
    Place,
    Prices,
    Seconds,
    UpstreamEntry,
    places,
)

#: The model that serves every name which no other has.
WILDCARD = "*"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model, as `models.toml` describes it."""

    #: `openai_compatible` asks a model server; `scripted` plays known answers, for tests.
    backend: BackendName = "openai_compatible"
    #: The address of an OpenAI-compatible server, such as `http://host:8080/v1`.
    base_url: str = ""
    #: The server's own name for the model; else ours.
    upstream_model: str | None = None
    #: The environment variable that holds the server's API key.
    api_key_env: str | None = None
    #: Several servers behind the model, each a table `[[models.NAME.upstreams]]`.
    upstreams: list[UpstreamEntry] = []
    #: With several: an upstream that fails again and again is left alone for so long, then tried out.
    cool_down_s: Seconds = 10
    #: With several: ask a second one where the first is silent for so long, and take whichever speaks first.
    hedge_after_s: Seconds | None = None
    #: What its tokens cost, for a million each: `{ prompt, completion, cached, reasoning }`.
    prices: Prices | None = None
    #: The arq queue its generations wait in; else one of its own.
    queue: str | None = None
    #: Generations of its queue that one worker process runs at once.
    concurrency: int = 2_000
    #: The backend can go on from a text that breaks off (assistant prefill).
    can_continue: bool = False
    #: A reply of which nothing has come for this long has failed, whichever of its upstreams were asked.
    first_token_timeout_s: Seconds = 60
    #: A server that falls silent for this long within its answer has failed.
    between_tokens_timeout_s: Seconds = 30
    #: A whole answer may take this long.
    total_timeout_s: Seconds = 600
    #: Seconds since the last delta that comments and empty deltas may bridge, beyond both limits above.
    silence: float = 300
    #: The answer may begin with its reasoning: between `<think>` and `</think>`, or between these two.
    think_tags: bool | tuple[str, str] = False
    #: Its server never says why an answer ended; else an answer that ends without a reason has been cut.
    ends_unsaid: bool = False
    #: Parameters beyond OpenAI's that requests may carry; others are refused by name.
    accepts: frozenset[str] = frozenset()
    #: Tokens of history and prompt sent upstream, by our own rough count of 4 characters a token.
    max_context_tokens: int = 32_000
    #: Tokens of an answer, where a request does not say how many; else the server's own limit.
    max_tokens: int | None = None
    #: What it cannot do: requests that ask for it are refused.
    cannot: list[Ability] = []
    #: Put before the conversation, unless empty.
    system_prompt: str = ""
    #: Sent with every request to the upstream; for the scripted backend, its options.
    parameters: dict[str, Any] = {}

    @property
    def places(self) -> list[Place]:
        """Where each upstream stands among the others; of the short form the only one."""
        return places(self.upstreams or [UpstreamEntry()], self.cannot, self.accepts)

    @property
    def continues(self) -> bool:
        """Whether one of its upstreams can go on from a text that breaks off."""
        return any(self.at(number).can_continue for number in range(max(1, len(self.upstreams))))

    def at(self, number: int) -> "Model":
        """The model as its upstream of that number, from 0, has it: a model of that server alone."""
        if not self.upstreams:
            return self
        entry = self.upstreams[number]
        own = {name: value for name in FILLED if (value := getattr(entry, name)) is not None}
        parameters = {**self.parameters, **entry.parameters}
        return msgspec.structs.replace(self, upstreams=[], parameters=parameters, **own)


class SpeechServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An OpenAI-compatible server that speaks, in the place of what is installed: `[speech]`."""

    #: Its address, such as `http://host:8880/v1`.
    base_url: str
    #: Its own name for what speaks.
    upstream_model: str = "tts-1"
    #: The environment variable that holds its API key.
    api_key_env: str | None = None
    #: Its voice where a request names none of its others.
    voice: str = "alloy"
    #: Others of its voices, that requests may name.
    voices: list[str] = []
    #: The languages that it speaks, such as `en`; all, if none is named.
    languages: list[str] = []
    #: A sentence that takes longer has failed; it is then spoken by what is installed, if anything is.
    timeout_s: Seconds = 20


class _File(msgspec.Struct, forbid_unknown_fields=True):
    models: dict[str, dict[str, Any]]
    default: str | None = None
    speech: SpeechServer | None = None


class Models:
    """All models by name, and the one a request gets that names none."""

    def __init__(
        self, models: dict[str, Model], default: str | None = None, speech: SpeechServer | None = None
    ) -> None:
        """Raises `ValueError` with the model, and the field at fault."""
        self.speech = speech
        if not models:
            raise ValueError("no model is configured")
        self.by_name = {name: _complete(name, model) for name, model in models.items()}
        self.default = default or next((name for name in models if name != WILDCARD), WILDCARD)
        if self.get(self.default) is None:
            raise ValueError(f"the default model {self.default!r} is not among the models")
        self._check_queues()

    def get(self, name: str) -> Model | None:
        """The model of that name, or the one that serves every other name; None where there is none."""
        return self.by_name.get(name) or self.by_name.get(WILDCARD)

    def entry_of(self, name: str) -> str:
        """The name of the entry that serves the model of that name."""
        return name if name in self.by_name else WILDCARD

    def serving(self, name: str) -> Model:
        """The model that serves that name. Raises `KeyError` where there is none."""
        return self.by_name[self.entry_of(name)]

    def queue_of(self, name: str) -> str:
        """The queue in which a model's generations wait."""
        entry = self.entry_of(name)
        return self.by_name[entry].queue or entry

    @property
    def queues(self) -> dict[str, int]:
        """Every queue with the number of generations one worker process runs from it at once."""
        return {self.queue_of(name): model.concurrency for name, model in self.by_name.items()}

    def _check_queues(self) -> None:
        if SPEECH_QUEUE in self.queues:
            raise ValueError(f"the queue {SPEECH_QUEUE!r} is that of speech: name another for this model")
        for name, model in self.by_name.items():
            if model.concurrency != self.queues[self.queue_of(name)]:
                raise ValueError(f"models that share queue {model.queue!r} must agree on its concurrency")


def _complete(name: str, model: Model) -> Model:
    """*model*, which takes whatever one of its upstreams takes. Raises `ValueError`."""
    try:
        found = model.places
        for number, place in enumerate(found):
            _check(model.at(number), f"upstream {place.name}, " if model.upstreams else "")
        if model.hedge_after_s is not None and len(found) < 2:
            raise ValueError("hedge_after_s: needs a second upstream")
    except ValueError as error:
        raise ValueError(f"model {name!r}, {error}") from error
    taken = frozenset[str]().union(*(place.takes for place in found))
    if "n" in model.accepts | taken:
        raise ValueError(f"model {name!r}, accepts: a reply is one choice: leave out 'n'")
    return msgspec.structs.replace(
        model,
        cannot=[ability for ability in get_args(Ability) if ability not in taken],
        accepts=model.accepts | (taken - ABILITIES),
    )


def _check(server: Model, where: str) -> None:
    """Raises `ValueError` with the field at fault of one server's settings."""
    if server.backend == "openai_compatible" and not server.base_url:
        raise ValueError(f"{where}base_url: is needed, the address of an OpenAI-compatible server")
    if isinstance(server.think_tags, tuple) and not all(server.think_tags):
        raise ValueError(f"{where}think_tags: has an empty tag")
    for field in msgspec.structs.fields(Model):
        value = getattr(server, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}{field.name}: must be finite")
    for field in msgspec.structs.fields(Prices) if server.prices else ():
        if not math.isfinite(getattr(server.prices, field.name) or 0):
            raise ValueError(f"{where}prices.{field.name}: must be finite")


def load(path: Path | None) -> Models:
    """Read `models.toml`. Raises `ValueError` with the model and the field at fault."""
    if path is None:
        raise ValueError("no models are configured: set HEADRACE_MODELS to a models.toml")
    try:
        file = msgspec.convert(tomllib.loads(path.read_text()), _File)
        named = {name: _model(name, entry) for name, entry in file.models.items()}
        return Models(named, file.default, file.speech)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _model(name: str, entry: dict[str, Any]) -> Model:
    try:
        return msgspec.convert(entry, Model)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        upstream = re.match(r"\.upstreams\[(\d+)\]", at)
        where = [f"model {name!r}"] + ([f"upstream {int(upstream[1]) + 1}"] if upstream else [])
        field = at[upstream.end() if upstream else 0 :].strip(".`")
        raise ValueError(", ".join([*where, *([field] if field else [])]) + f": {what}") from error
