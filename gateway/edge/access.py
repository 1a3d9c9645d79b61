"""What a request may reach: its owner's generations, known models, and a place for another stream."""

from aiohttp import web

from gateway.edge.state import ASKER, State
from shared.errors import BrokerUnavailable, NotFound, TooBusy, UnknownModel
from shared.generation import ChatSettings, Generation
from shared.models import WILDCARD

#: Of a model's name that passes through.
_MOST_CHARS = 200


async def owned(state: State, request: web.Request, generation_id: str) -> Generation:
    """The generation, if it is the asker's; a stranger's is not found."""
    asker = request[ASKER]
    generation = await state.generations.load(generation_id)
    if generation is None and state.relay.settling(generation_id):
        raise BrokerUnavailable(retry_after_s=1)
    if generation is None or generation.owner != asker.owner or asker.only not in {None, generation_id}:
        raise NotFound("There is no generation of that id.", field="generation_id")
    return generation


def known_model(state: State, name: str | None) -> str:
    """The model of that name, or the default one. Raises `UnknownModel`."""
    name = state.models.default if name is None else name
    passes = name != WILDCARD and len(name) <= _MOST_CHARS and name.isprintable() and name.strip() == name
    if name not in state.models.by_name and not (passes and WILDCARD in state.models.by_name):
        known = ", ".join(state.models.by_name)
        raise UnknownModel(f"No model is named {name[:100]!r}; there is: {known}.", field="model")
    if name == WILDCARD:
        raise UnknownModel("Name a model: this server has none of its own.", field="model")
    return name


def checked_settings(state: State, settings: ChatSettings) -> ChatSettings:
    """*settings*, whose model there is. Raises `UnknownModel`."""
    if settings.model is not None:
        known_model(state, settings.model)
    return settings


def room_for_stream(state: State) -> None:
    """Raises `TooBusy` when this process has as many streams open as it may."""
    if state.relay.open_streams >= state.settings.max_open_streams:
        raise TooBusy("This gateway has no room for another stream.", retry_after_s=2)
