"""What cannot be honoured under `/v1/` is refused by name, and never taken for something else."""

import pytest
from aiohttp import ClientSession

from tests.kit.stack import Stack


@pytest.mark.parametrize(
    "wanted, status, code, param, says",
    [
        ({"n": 2}, 400, "invalid_request", "n", "one choice"),
        ({"n": 0}, 400, "invalid_request", "n", "one choice"),
        ({"multimodal": True}, 400, "invalid_request", "multimodal", "not supported"),
        ({"model": "nobody"}, 404, "model_not_found", "model", "nobody"),
        ({"logprobs": True}, 400, "invalid_request", "logprobs", "not supported"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
            *(400, "invalid_request", "tools[0]", "'custom'"),
        ),
    ],
)
async def test_refused(
    stack: Stack,
    session: ClientSession,
    wanted: dict[str, object],
    status: int,
    code: str,
    param: str,
    says: str,
) -> None:
    """By the field at fault, and in words."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}], **wanted}
    async with session.post(f"{stack.gateways[0].url}/v1/chat/completions", json=body) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param)
    assert says in error["message"]
