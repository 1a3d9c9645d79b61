"""
OpenAI's Responses over a WebSocket: `response.create` messages in, the events of a response out, each a text.

One response at a time. A response that is not stored may be gone on from over its own connection alone, and
only while it is the last; a turn that fails lets go of it. Hanging up stops what is being written.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.dialects.openai.errors import openai_body
from gateway.dialects.openai.response_frames import RESPONSES
from gateway.dialects.openai.response_request import ResponseRequest, submission_of
from gateway.dialects.openai.stored import KEPT
from gateway.edge.access import room_for_stream
from gateway.edge.body import decode_body
from gateway.edge.extras import decode_with_extras
from gateway.edge.leavers import told_to_leave
from gateway.edge.limits import accept, bounded
from gateway.edge.state import ASKER, STATE
from gateway.edge.websocket import answer_close, is_asked_for, websocket
from shared.errors import AccessEnded, Busy, Draining, Gone, HeadraceError, Internal, InvalidRequest
from shared.generation import Submission

_OURS = frozenset({"type", "stream", "background", "event_id"})
#: Events after which a response may be gone on from.
_ENDED = (b'data: {"type":"response.completed"', b'data: {"type":"response.incomplete"')


class _Message(msgspec.Struct):
    type: str


async def converse(request: web.Request) -> web.StreamResponse:
    """Take one `response.create` after another over a WebSocket, and answer each with its events."""
    limit = request.app[STATE].settings.max_body_bytes
    socket = websocket(limit)
    if not is_asked_for(socket, request):
        raise InvalidRequest("Responses are made with POST; with GET this address is a WebSocket's.")
    request[KEPT] = set()
    await socket.prepare(request)
    conversation = _Conversation(request, socket)
    revocations = request.app[STATE].revocations
    with (
        told_to_leave(request.app, conversation.leave),
        revocations.ending(request[ASKER], conversation.dismiss),
    ):
        try:
            await conversation.listen()
        finally:
            await conversation.end()
    return socket


class _Conversation:
    """One connection: listens all the time, and writes one response at a time."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        self._turn: asyncio.Task[None] | None = None
        self._dismissed: asyncio.Task[None] | None = None
        self._leaving = False

    @property
    def _writing(self) -> bool:
        return self._turn is not None and not self._turn.done()

    async def listen(self) -> None:
        """Until the client has closed the connection, or it has to leave."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                await _refuse(self._socket, InvalidRequest("Messages are JSON, each a text."))
            elif self._writing:
                await _refuse(self._socket, Busy("A response is being written here: wait for its end."))
            else:
                self._turn = asyncio.create_task(self._answer(message.data))
        await answer_close(self._socket)

    async def leave(self) -> None:
        """Close, after what is being written."""
        self._leaving = True
        if not self._writing:
            await self._close()

    def dismiss(self, error: AccessEnded) -> None:
        """Its client may neither ask nor read any more."""
        self._dismissed = asyncio.create_task(self._dismiss(error))

    async def end(self) -> None:
        """Stop what is being written. Raises what went wrong with it."""
        if self._dismissed is not None:
            self._dismissed.cancel()
            await asyncio.wait([self._dismissed])
        if self._turn is None:
            return
        self._turn.cancel()
        await asyncio.wait([self._turn])
        if not self._turn.cancelled() and (error := self._turn.exception()) is not None:
            raise error

    async def _dismiss(self, error: AccessEnded) -> None:
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.wait([self._turn])
        await _refuse(self._socket, error)
        with suppress(ConnectionError):
            await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"access has ended")

    async def _close(self) -> None:
        with suppress(ConnectionError):
            await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"This gateway is going away.")

    async def _answer(self, text: str) -> None:
        """One response, from its request to its last event."""
        kept = self._request[KEPT]
        try:
            wanted = await _wanted(self._request, text)
            whole = await _write(self._request, self._socket, wanted)
        except HeadraceError as error:
            whole = False
            self._leaving |= isinstance(error, Draining)
            await _refuse(self._socket, error)
        kept.clear()
        if whole:
            kept.add(f"resp_{wanted.generation_id.removeprefix('gen_')}")
        if self._leaving:
            await self._close()


async def _wanted(request: web.Request, text: str) -> Submission:
    raw = text.encode("utf-8", "surrogatepass")
    kind = decode_body(raw, _Message).type
    if kind != "response.create":
        raise InvalidRequest(f"Messages of type {kind[:100]!r} are not known here.", field="type")
    said = decode_body(raw, dict[str, Any])
    if said.get("background"):
        raise InvalidRequest("Responses in the background are made with POST.", field="background")
    if said.pop("generate", None) is False:
        raise InvalidRequest("Nothing is prepared ahead here.", field="generate")
    asked = {name: value for name, value in said.items() if name not in _OURS}
    return await submission_of(request, decode_with_extras(msgspec.json.encode(asked), ResponseRequest))


async def _write(request: web.Request, socket: web.WebSocketResponse, wanted: Submission) -> bool:
    """Write all events of a new response. Tells whether it came to an end that can be gone on from."""
    state = request.app[STATE]
    room_for_stream(state)
    # A socket has no header for it, so each message is a response of its own.
    wanted = bounded(request[ASKER], msgspec.structs.replace(wanted, idempotency_key=None))
    async with state.relay.subscribe(wanted.generation(), RESPONSES, fresh=True) as subscriber:
        await accept(request, wanted)
        last = b""
        try:
            while data := await subscriber.read():
                for line in data.split(b"\n"):
                    if line.startswith(b"data: {"):
                        last = line
                        await socket.send_str(line[6:].decode())
        except Gone as error:
            raise Internal("The response's log is gone.") from error
        return last.startswith(_ENDED)


async def _refuse(socket: web.WebSocketResponse, error: HeadraceError) -> None:
    said = {"type": "error", "status": error.status, "error": openai_body(error)}
    with suppress(ConnectionError):
        await socket.send_str(msgspec.json.encode(said).decode())
