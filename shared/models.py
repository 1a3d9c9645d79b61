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
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

#: What a model may lack.
Inability = Literal["pictures", "sounds", "files", "tools"]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model, as `models.toml` describes it."""

    #: `openai_compatible` asks a model server; `scripted` plays known answers, for tests.
    backend: Literal["openai_compatible", "scripted"] = "openai_compatible"
    #: The address of an OpenAI-compatible server, such as `http://host:8080/v1`.
    base_url: str = ""
    #: The server's own name for the model; else ours.
    upstream_model: str | None = None
    #: The environment variable that holds the server's API key.
    api_key_env: str | None = None
    #: The arq queue its generations wait in; else one of its own.
    queue: str | None = None
    #: Generations of its queue that one worker process runs at once.
    concurrency: int = 2_000
    #: The backend can go on from a text that breaks off (assistant prefill).
    can_continue: bool = False
    #: A server that has said nothing of its answer for this long has failed.
    first_token_timeout_s: float = 60
    #: A server that falls silent for this long within its answer has failed.
    between_tokens_timeout_s: float = 30
    #: A whole answer may take this long.
    total_timeout_s: float = 600
    #: Seconds since the last delta that comments and empty deltas may bridge, beyond both limits above.
    silence: float = 300
    #: The answer may begin with its reasoning: between `<think>` and `</think>`, or between these two.
    think_tags: bool | tuple[str, str] = False
    #: Parameters beyond OpenAI's that requests may carry; others are refused by name.
    accepts: frozenset[str] = frozenset()
    #: Tokens of history and prompt sent upstream, by our own rough count of 4 characters a token.
    max_context_tokens: int = 32_000
    #: Tokens of an answer, where a request does not say how many; else the server's own limit.
    max_tokens: int | None = None
    #: What it cannot do: requests that ask for it are refused.
    cannot: list[Inability] = []
    #: Put before the conversation, unless empty.
    system_prompt: str = ""
    #: Sent with every request to the upstream; for the scripted backend, its options.
    parameters: dict[str, Any] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    models: dict[str, Model]
    default: str | None = None


class Models:
    """All models by name, and the one a request gets that names none."""

    def __init__(self, models: dict[str, Model], default: str | None = None) -> None:
        if not models:
            raise ValueError("no model is configured")
        self.by_name = models
        self.default = default or next(iter(models))
        if self.default not in models:
            raise ValueError(f"the default model {self.default!r} is not among the models")
        for name, model in models.items():
            if model.backend == "openai_compatible" and not model.base_url:
                raise ValueError(f"model {name!r} needs a base_url")
            if isinstance(model.think_tags, tuple) and not all(model.think_tags):
                raise ValueError(f"model {name!r} has an empty tag among its think_tags")
        self._check_queues()

    def queue_of(self, name: str) -> str:
        """The queue in which a model's generations wait."""
        return self.by_name[name].queue or name

    @property
    def queues(self) -> dict[str, int]:
        """Every queue with the number of generations one worker process runs from it at once."""
        return {self.queue_of(name): model.concurrency for name, model in self.by_name.items()}

    def _check_queues(self) -> None:
        for name, model in self.by_name.items():
            if model.concurrency != self.queues[self.queue_of(name)]:
                raise ValueError(f"models that share queue {model.queue!r} must agree on its concurrency")


def load(path: Path | None) -> Models:
    """Read `models.toml`. Raises `ValueError` with the field at fault."""
    if path is None:
        raise ValueError("no models are configured: set HEADRACE_MODELS to a models.toml")
    try:
        file = msgspec.convert(tomllib.loads(path.read_text()), _File)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
    return Models(file.models, file.default)
