"""The commands that are about models: `headrace models` and `headrace model`."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Literal

from cyclopts import App

from deploy import programs
from deploy.model import catalogue, choice
from deploy.model.fetch import NotFetched

models = App(name="models", help="What models.toml says, and what is there.")
model = App(name="model", help="The model that comes along.")


@models.command
def check(*, models: Path | None = None) -> None:
    """Ask each upstream a few tiny questions, and print what it can. Ends with 1 where one cannot answer.

    Parameters
    ----------
    models
        The models.toml [default: HEADRACE_MODELS, or that of the last `headrace up` in this folder].
    """
    path = models or Path(os.environ.get("HEADRACE_MODELS") or ".headrace/models.toml")
    programs.become("worker.check", str(path))


@model.command
def fetch(name: Literal["qwen", "gemma"] = "qwen") -> None:
    """Fetch a model, which `headrace up` does when it first needs one, and print where it lies.

    What has come stays when this is interrupted: the next time goes on from there.

    Parameters
    ----------
    name
        Which of the two: Qwen answers in English and Chinese; Gemma is smaller, and good for small talk.
    """
    [weights] = [each for each in catalogue.ALL if each.name == name]
    try:
        print(choice.bring(weights, partial(print, file=sys.stderr, flush=True)))
    except NotFetched as error:
        programs.fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
