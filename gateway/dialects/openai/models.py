"""The models that can be asked for, as OpenAI lists them."""

import time
from typing import Literal

import msgspec
from aiohttp import web

from gateway.edge.access import known_model
from gateway.edge.answers import answer_json
from gateway.edge.state import ASKER, STATE, State
from shared import listed
from shared.errors import ModelNotFound, UnknownModel
from shared.models import WILDCARD


class ModelEntry(msgspec.Struct, frozen=True):
    """One model, as OpenAI's and Anthropic's clients know it. When it was made is not known here."""

    id: str
    display_name: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    created: int = 0
    created_at: str = "1970-01-01T00:00:00Z"
    owned_by: str = "headrace"


class ModelList(msgspec.Struct, frozen=True):
    """`GET /v1/models`: all of them, on one page."""

    data: list[ModelEntry]
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"
    has_more: bool = False


#: For how long what the upstreams list is taken as read.
_FRESH_S = 10.0


async def listing(request: web.Request) -> web.StreamResponse:
    """All models that the asker may ask, and all that the upstreams of the wildcard list."""
    state, may = request.app[STATE], request[ASKER].models
    names = [name for name in state.models.by_name if name != WILDCARD]
    if WILDCARD in state.models.by_name:
        now = time.monotonic()
        if state.listed is None or state.listed[0] < now - _FRESH_S:
            state.listed = (now, listed.names(await listed.read(state.broker), names))
        names += state.listed[1]
    names = [name for name in names if may is None or name in may]
    first, last = (names[0], names[-1]) if names else (None, None)
    return answer_json(ModelList([ModelEntry(name, name) for name in names], first, last))


async def detail(request: web.Request) -> web.StreamResponse:
    """One model."""
    name = checked_model(request.app[STATE], request.match_info["model"])
    may = request[ASKER].models
    if may is not None and name not in may:
        raise ModelNotFound(field="model")
    return answer_json(ModelEntry(name, name))


def checked_model(state: State, name: str | None) -> str:
    """The model of that name, or the default one. Raises `ModelNotFound`, as OpenAI's clients know it."""
    try:
        return known_model(state, name)
    except UnknownModel as error:
        raise ModelNotFound(error.message, field="model") from error
