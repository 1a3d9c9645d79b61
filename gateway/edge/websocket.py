"""A WebSocket as this gateway serves it: by RFC 6455, without compression, closed with a code."""

from aiohttp import WSCloseCode, web

#: Well within the time after which proxies take a silent connection for dead.
_PING_S = 15.0
#: How long the other side of a connection that we close may still read.
_CLOSING_S = 2.0
#: Codes from here on are nobody's.
_NO_CODE = 5000


def websocket(max_bytes: int) -> web.WebSocketResponse:
    """One that takes messages of fewer than *max_bytes*. Its reader ends with `answer_close`."""
    return web.WebSocketResponse(
        heartbeat=_PING_S, timeout=_CLOSING_S, max_msg_size=max_bytes, compress=False, autoclose=False
    )


def is_asked_for(socket: web.WebSocketResponse, request: web.Request) -> bool:
    """Whether *request* asks for a WebSocket as it should."""
    try:
        return socket.can_prepare(request).ok
    except UnicodeEncodeError:  # aiohttp would repeat a header that is no text
        return False


async def answer_close(socket: web.WebSocketResponse) -> bool:
    """
    Answer the other side's closing, where it was that: with its own code. Tells whether nobody means to come
    back: it gave no code, or that of a natural end.
    """
    if socket.closed:
        return False
    code = socket.close_code or WSCloseCode.OK
    # aiohttp lets pass what nobody may send.
    wrong = code == WSCloseCode.ABNORMAL_CLOSURE or code >= _NO_CODE
    await socket.close(code=WSCloseCode.PROTOCOL_ERROR if wrong else code)
    return code == WSCloseCode.OK
