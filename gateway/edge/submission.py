"""The one place where a request becomes a submission, whatever its dialect."""

import uuid
from typing import Any

import msgspec
from aiohttp import web

from gateway.edge.abilities import within
from gateway.edge.body import digest, idempotency_key
from gateway.edge.state import ASKER, REQUEST_ID, STATE, TRACE
from gateway.relay.dialect import Dialect
from shared.asker import Asker, scope_of
from shared.cells import Cell, Cells
from shared.errors import InvalidRequest
from shared.generation import ChatSettings, OnBusy, OnDisconnect, Priority, Request, Submission
from shared.parts import Part


def new_suffix(request: web.Request, conversation_id: str | None = None) -> str:
    """
    What makes a new generation's id unlike every other. It says which cell it is in: that of its
    conversation, or where there is none, the one in which a repeated request would be looked for.
    """
    cells = request.app[STATE].broker.cells
    return cells.new_suffix(_cell(request, cells, conversation_id))


def new_conversation_id(request: web.Request) -> str:
    """One that nobody has, in the cell in which a repeated request would be looked for."""
    cells, owner = request.app[STATE].broker.cells, request[ASKER].owner
    cell = _cell(request, cells, None)
    while True:
        conversation_id = f"conv_{uuid.uuid4().hex}"
        if cells.of_conversation(owner, conversation_id) is cell:
            return conversation_id


def _cell(request: web.Request, cells: Cells, conversation_id: str | None) -> Cell:
    owner, key = request[ASKER].owner, idempotency_key(request)
    if conversation_id is not None:
        return cells.of_conversation(owner, conversation_id)
    return cells.any() if key is None else cells.of_idempotency(owner, key)


def submission(
    request: web.Request,
    body: msgspec.Struct,
    dialect: Dialect,
    *,
    model: str,
    asked: Request,
    suffix: str | None = None,
    options: msgspec.Struct | None = None,
    conversation_id: str | None = None,
    message: str = "",
    parts: list[Part] | None = None,
    replaces: str | None = None,
    messages_in: str = "messages",
    settings: ChatSettings | None = None,
    on_busy: OnBusy = "reject",
    on_disconnect: OnDisconnect = "continue",
    key: str | None = None,
) -> Submission:
    """
    The generation that *body* asks for, with *request*'s owner and idempotency key.

    *options* is what the dialect's encoder must know of the request, *suffix* what a dialect's own id
    shares with the generation's, *messages_in* the field its messages come from, *key* what makes a request
    the same where no header does. Raises `InvalidRequest` for a key that is none, and for what the model
    cannot do.
    """
    models, asker = request.app[STATE].models, request[ASKER]
    said: dict[str, Any] = {} if options is None else msgspec.to_builtins(options)
    return Submission(
        generation_id=f"gen_{suffix or new_suffix(request, conversation_id)}",
        owner=asker.owner,
        tenant=scope_of(asker.tenant),
        weight=asker.weight,
        priority=_priority(request, asker),
        model=model,
        queue=models.queue_of(model),
        dialect=dialect.name,
        dialect_options=said,
        request=within(models.serving(model), model, asked, messages_in),
        conversation_id=conversation_id,
        message=message,
        parts=parts,
        replaces=replaces,
        settings=settings,
        on_busy=on_busy,
        on_disconnect=on_disconnect,
        idempotency_key=idempotency_key(request) or key,
        trace=request.get(TRACE, ""),
        request_id=request.get(REQUEST_ID, ""),
        digest=digest(body),
    )


def _priority(request: web.Request, asker: Asker) -> Priority:
    """What the request says of itself; a key that is for the background stays there."""
    said = request.headers.get("X-Headrace-Priority", "interactive")
    if said not in {"interactive", "background"}:
        raise InvalidRequest(
            "`X-Headrace-Priority` is `interactive` or `background`.", field="X-Headrace-Priority"
        )
    return "background" if asker.in_background or said == "background" else "interactive"
