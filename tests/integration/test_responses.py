"""Responses of several owners."""

import openai as sdk
import pytest

from tests.conftest import OpenClient, StartStack


async def test_strangers_find_nothing(own_stack: StartStack, open_client: OpenClient) -> None:
    """A response of another owner is not found, in whichever way it is asked for."""
    stack = await own_stack(api_keys="one,two")
    url = stack.gateways[0].url
    mine = await open_client(url, api_key="one").responses.create(model="scripted", input="Hello")
    stranger = open_client(url, api_key="two")
    for call in (stranger.responses.retrieve, stranger.responses.cancel, stranger.responses.delete):
        with pytest.raises(sdk.NotFoundError):
            await call(mine.id)
    with pytest.raises(sdk.NotFoundError):
        await stranger.responses.input_items.list(mine.id)
    with pytest.raises(sdk.NotFoundError):
        await stranger.responses.create(model="scripted", input="x", previous_response_id=mine.id)
