"""Addresses as clients put them together, and what is not there, in the words of each dialect."""

from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from gateway.routes import ROUTES
from tests.kit.local import Local


def put_together(path: str) -> list[str]:
    """Ways to write *path*."""
    return [f"{path}/", f"/{path}", path.replace("/", "//"), f"{path}//"]


async def test_every_address_as_clients_write_it(local: Local, session: ClientSession) -> None:
    """Slashes too many, or one at the end: every call answers as at the address that was meant."""
    url = await local.start(worker=False)

    async def ask(method: str, path: str) -> tuple[Any, ...]:
        address = URL(url + path, encoded=True)
        body: dict[str, Any] | None = {} if method in {"POST", "PATCH"} else None
        async with session.request(method, address, allow_redirects=False, json=body) as answer:
            said = await answer.json() if answer.content_type == "application/json" else {}
            error = said.get("error") or {}
            told = error.get("code"), error.get("param"), error.get("field")
            return answer.status, sorted(said), told, answer.headers.get("Allow")

    for route in ROUTES:
        if route.gives == "text/plain":
            continue
        path = route.path.replace("{", "").replace("}", "")
        meant = await ask(route.method, path)
        for written in put_together(path):
            assert await ask(route.method, written) == meant, written


@pytest.mark.parametrize("path", ["/v1//chat/completions", "//v1/chat/completions", "/v1/chat/completions/"])
async def test_a_chat_is_answered_there(local: Local, session: ClientSession, path: str) -> None:
    """The answer is the same one, streamed too."""
    url = await local.start()
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    async with session.post(URL(url + path, encoded=True), json=body) as answer:
        assert answer.status == 200
        whole = (await answer.json())["choices"][0]["message"]["content"]
    assert whole
    async with session.post(URL(url + path, encoded=True), json=body | {"stream": True}) as answer:
        assert (await answer.text()).endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/embeddings"),
        ("POST", "/v1//embeddings"),
        ("GET", "/v1"),
        ("GET", "/v1/files/file_1"),
        ("POST", "/v1/responses/resp_x/nothing"),
        ("GET", "/v1/chat/completions/chatcmpl-1/nothing"),
    ],
)
async def test_what_openai_has_and_we_have_not(
    local: Local, session: ClientSession, method: str, path: str
) -> None:
    """An address of OpenAI's that is not here is a 404 in OpenAI's words."""
    url = await local.start(worker=False)
    async with session.request(method, URL(url + path, encoded=True), json={"input": "x"}) as answer:
        assert answer.status == 404
        error = (await answer.json())["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_found")
    assert set(error) == {"message", "type", "param", "code"}
