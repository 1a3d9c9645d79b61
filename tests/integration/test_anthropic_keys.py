"""Anthropic's client at a gateway with API keys: it sends them as `x-api-key`."""

import pytest
from aiohttp import ClientSession

from tests.conftest import StartStack
from tests.kit.anthropic_streams import asked, rest
from worker.backends.script import expected_text


async def test_a_key_opens_what_is_its_owners(own_stack: StartStack, session: ClientSession) -> None:
    """Its owner is answered and may come back; a stranger finds nothing, and who has no key is not let in."""
    # Here, for its import takes a second, and each process of the tests collects this.
    from anthropic import AsyncAnthropic, AuthenticationError

    stack = await own_stack(api_keys="one,two")
    url = stack.gateways[0].url
    async with AsyncAnthropic(base_url=url, api_key="one", max_retries=0) as mine:
        message = await mine.messages.create(**asked())
    assert message.content[0].text == expected_text({"length": 20})
    for key, status in (("one", 200), ("two", 404), ("three", 401)):
        headers = {"x-api-key": key}
        async with session.get(f"{url}/v1/messages/{message.id}/stream", headers=headers) as response:
            assert response.status == status
    assert (await rest(session, url, message.id, None))[0] == 401
    async with AsyncAnthropic(base_url=url, api_key="three", max_retries=0) as stranger:
        with pytest.raises(AuthenticationError) as refused:
            await stranger.messages.create(**asked())
        assert refused.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]
