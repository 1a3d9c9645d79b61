"""The one error of the client: what the server refused, or that it could not be reached."""

import aiohttp
import msgspec


class HeadraceError(Exception):
    """The server refused, or could not be reached for too long; `code` is its own word for why."""

    def __init__(self, message: str, *, code: str = "unreachable", status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


async def refusal(response: aiohttp.ClientResponse) -> HeadraceError:
    """The error that an answer of 400 or above describes."""
    code, message = "http_error", f"the server answered {response.status}"
    try:
        error = msgspec.json.decode(await response.content.read(64 * 1024))["error"]
        code, message = str(error["code"]), str(error["message"])
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, KeyError, TypeError):
        pass
    return HeadraceError(message, code=code, status=response.status)
