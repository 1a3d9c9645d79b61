"""The native API from a client's side."""

import json
from typing import Any, NamedTuple

from aiohttp import ClientSession
from multidict import CIMultiDictProxy

from tests.kit.reader import Reader


def script(**options: Any) -> str:
    """A message that tells the scripted model, or the fake upstream, how to answer."""
    return f"/script {json.dumps(options)}"


#: A message: a text, or its parts.
Said = str | list[dict[str, Any]]


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: CIMultiDictProxy[str]
    #: The JSON of its body; None where it has none.
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        """The error it carries. Fails when it is none."""
        assert self.status >= 400, f"no error: {self.status} {self.body}"
        assert self.headers["Content-Type"].startswith("application/json")
        assert set(self.body) == {"error"}
        error: dict[str, Any] = self.body["error"]
        assert {"code", "message", "retryable"} <= set(error)
        assert "Traceback" not in error["message"]
        return error


class ChatClient:
    """Talks to one gateway, as the owner of *key*."""

    def __init__(self, session: ClientSession, url: str, key: str | None = None) -> None:
        self.url = url
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}"} if key is not None else {}

    async def send(
        self, message: Said = "Hello", *, headers: dict[str, str] | None = None, **fields: Any
    ) -> Reader:
        """Send a message; the stream of its answer is to be closed, as in `async with await …send()`."""
        answer = await self.open(
            "POST", "/api/chat/stream", json={"message": message, **fields}, headers=headers
        )
        assert answer.status == 200, f"{answer.status} {await answer._response.text()}"
        return answer

    async def resume(self, generation_id: str, after: str | None = None) -> Reader:
        """Go on with a stream."""
        headers = {"Last-Event-ID": after} if after is not None else {}
        return await self.open("GET", f"/api/chat/{generation_id}/stream", headers=headers)

    async def ask(self, message: Said = "Hello", **fields: Any) -> Reader:
        """Send a message and read the whole answer."""
        async with await self.send(message, **fields) as reader:
            await reader.all()
        return reader

    async def cancel(self, generation_id: str) -> Answer:
        """Stop a generation."""
        return await self.call("POST", f"/api/chat/{generation_id}/cancel")

    async def status(self, generation_id: str) -> dict[str, Any]:
        """How a generation stands."""
        answer = await self.call("GET", f"/api/chat/{generation_id}")
        assert answer.status == 200, answer
        status: dict[str, Any] = answer.body
        return status

    async def ended(self, generation_id: str) -> bool:
        """Whether a generation is in a terminal state."""
        return (await self.status(generation_id))["state"] in {"done", "failed", "cancelled"}

    async def conversation(self, conversation_id: str) -> dict[str, Any]:
        """A conversation and its messages."""
        answer = await self.call("GET", f"/api/conversations/{conversation_id}")
        assert answer.status == 200, answer
        conversation: dict[str, Any] = answer.body
        return conversation

    async def submit(
        self, message: Said = "Hello", headers: dict[str, str] | None = None, **fields: Any
    ) -> Answer:
        """Send a message that is going to be refused."""
        return await self.call(
            "POST", "/api/chat/stream", json={"message": message, **fields}, headers=headers
        )

    async def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        """Any request with a whole answer."""
        async with self._session.request(
            method, self.url + path, headers={**self._headers, **(headers or {})}, **options
        ) as response:
            body = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(
                response.status,
                response.headers,
                json.loads(body) if is_json else (body.decode(errors="replace") or None),
            )

    async def open(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> Reader:
        """Any request with a stream for an answer."""
        response = await self._session.request(
            method, self.url + path, headers={**self._headers, **(headers or {})}, **options
        )
        return Reader(response)
