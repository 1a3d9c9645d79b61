"""Which model `headrace up` serves: the file that was named, else the first that can be had."""

from functools import partial
from pathlib import Path

from rich.console import Console

from deploy.model import catalogue
from deploy.model.catalogue import Weights
from deploy.model.fetch import NoneFetched, NotFetched, fetch, fetched
from deploy.progress import bar
from deploy.up.child import Say
from deploy.up.embedded import Embedded

#: What a start waits for one of them at most. `headrace model fetch` has all the time of the world.
_WITHIN_S = 900.0
_MB = 1_000_000


def chosen(say: Say, console: Console | None = None) -> Embedded:
    """
    The first of the models that can be had, fetched if need be; why another could not is said.

    Raises `NotFetched` where none can.
    """
    left = list(catalogue.ALL)
    while True:
        weights = left.pop(0)
        try:
            return weights.embedded(bring(weights, say, console, within_s=_WITHIN_S))
        except NotFetched as error:
            failure = f"{weights.title} could not be fetched ({error})"
            if isinstance(error, NoneFetched):
                left = [other for other in left if fetched(other)]
        if not left:
            raise NotFetched(
                f"there is no model to serve: {failure}. Try `headrace model fetch` again, name a file with "
                "--model-file FILE.gguf, or a server with --upstream URL --model NAME"
            )
        say(f"{failure}; trying {left[0].title} instead")


def bring(
    weights: Weights, say: Say, console: Console | None = None, *, within_s: float | None = None
) -> Path:
    """The model's file, fetched under a bar unless it is there. Raises `NotFetched`."""
    if path := fetched(weights):
        return path
    what = f"Fetching {weights.title}, {weights.size // _MB} MB (only the first time)"
    waiting = partial(say, "another process fetches the model; waiting for it")
    with bar(what, "bytes", console) as report:
        return fetch(weights, report, within_s=within_s, waiting=waiting)


def of_file(file: Path) -> Embedded:
    """A model file of the user's own. One that is in the catalogue is known by its name and its size."""
    for weights in catalogue.ALL:
        if (file.name, file.stat().st_size) == (weights.file, weights.size):
            return weights.embedded(file)
    return Embedded(file=file.resolve(), title=file.name)
