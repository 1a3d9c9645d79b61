"""The API keeps what its description says, whatever it is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.openapi import document
from gateway.routes import ROUTES
from tests.kit.broker import EmbeddedBroker
from tests.kit.stack import Stack

_OWN_DATABASE = 9
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def url(broker: EmbeddedBroker, tmp_path: Path) -> Iterator[str]:
    """A gateway and a worker that nobody else asks."""
    stack = Stack(broker, tmp_path, database=_OWN_DATABASE)
    try:
        stack.start()
        yield stack.gateways[0].url
    finally:
        stack.stop()
        stack.redis.flushdb()


def test_the_description_is_valid() -> None:
    """The description made from the route table is valid OpenAPI 3.1; it has what any request may meet."""
    described = document(ROUTES, "1")
    validate(described)
    for route in ROUTES:
        told = described["paths"][route.path][route.method.lower()]
        met = {"403", "408", "415"} | (set() if route.public else {"400", "429"})
        assert met <= told["responses"].keys(), route.path
        assert ("security" in told) != route.public, route.path


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("examples", "least"), [(2, 150), pytest.param(72, 2_000, marks=pytest.mark.long)])
def test_generated_requests_get_documented_answers(url: str, examples: int, least: int) -> None:
    """No 5xx, no undocumented status and no body of another shape, over thousands of generated requests."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    asked = 0
    with requests.Session() as session:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found
            asked += ask(found.ok(), session, url, examples)
    assert asked >= least


def ask(
    operation: APIOperation[Any, Any, Any, Any], session: requests.Session, url: str, examples: int
) -> int:
    """Send valid and invalid requests to one operation, the same in every run; gives how many."""
    asked = 0
    options = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    # Of a call whose only input is any string there is no invalid one, and a thousand tries to find it.
    takes_more = bool(operation.body) or bool(operation.query)
    for mode in GenerationMode if takes_more else [GenerationMode.POSITIVE]:

        @options
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Case[Any]) -> None:
            nonlocal asked
            asked += 1
            answer = case.call(base_url=url, session=session, timeout=20)
            # Nobody speaks here, which is an answer that is documented.
            checks = _CHECKS if answer.status_code != 501 else _CHECKS[1:]
            case.validate_response(answer, checks=checks)

        send()
    return asked
