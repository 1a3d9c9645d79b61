"""The models that can be asked for, as OpenAI lists them."""

from typing import Literal

import msgspec
from aiohttp import web

from gateway.edge.access import known_model
from gateway.edge.answers import answer_json
from gateway.edge.state import STATE, State
from shared.errors import ModelNotFound, UnknownModel


class ModelEntry(msgspec.Struct, frozen=True):
    """One model. When it was made is not known here."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "headrace"


class ModelList(msgspec.Struct, frozen=True):
    """`GET /v1/models`"""

    data: list[ModelEntry]
    object: Literal["list"] = "list"


async def listing(request: web.Request) -> web.StreamResponse:
    """All models."""
    return answer_json(ModelList([ModelEntry(name) for name in request.app[STATE].models.by_name]))


async def detail(request: web.Request) -> web.StreamResponse:
    """One model."""
    return answer_json(ModelEntry(checked_model(request.app[STATE], request.match_info["model"])))


def checked_model(state: State, name: str | None) -> str:
    """The model of that name, or the default one. Raises `ModelNotFound`, as OpenAI's clients know it."""
    try:
        return known_model(state, name)
    except UnknownModel as error:
        raise ModelNotFound(error.message, field="model") from error
