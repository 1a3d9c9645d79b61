"""Which backend a model's entry in `models.toml` asks for."""

from shared.models import Model, Models
from worker.backends import Backend
from worker.backends.openai_compatible import OpenAICompatible
from worker.backends.scripted import Scripted


def open_backend(model: Model, name: str = "") -> Backend:
    """The backend of the model we call *name*. Raises `ValueError` for what it cannot work with."""
    if model.backend == "scripted":
        return Scripted(model)
    return OpenAICompatible(model, name)


def unusable(models: Models) -> list[str]:
    """What is wrong with the models that no worker could serve."""
    wrong = []
    for name, model in models.by_name.items():
        for number, place in enumerate(model.places):
            try:
                open_backend(model.at(number), name)
            except ValueError as error:
                where = f", upstream {place.name}" if model.upstreams else ""
                wrong.append(f"model {name!r}{where}: {error}")
    return wrong
