"""Which backend a model's entry in `models.toml` asks for."""

from shared.models import Model
from worker.backends import Backend
from worker.backends.openai_compatible import OpenAICompatible
from worker.backends.scripted import Scripted


def open_backend(model: Model, name: str = "") -> Backend:
    """The backend of the model we call *name*. Raises `ValueError` for what it cannot work with."""
    if model.backend == "scripted":
        return Scripted(model)
    return OpenAICompatible(model, name)
