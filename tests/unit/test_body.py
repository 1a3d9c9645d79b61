"""What comes in: whatever it is, it is either understood or refused by name."""

import json
import unicodedata
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.native.chat import ChatRequest
from gateway.edge.answers import NATIVE_ERRORS, render
from gateway.edge.body import checked_id, clean_text, decode_body, digest
from gateway.edge.streams import resume_value
from shared.errors import HeadraceError, InvalidRequest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(["message", "model", "max_tokens", "multimodal", "on_busy", "conversation_id", "x"])


@given(body=st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Decoding never raises anything but its own error."""
    try:
        assert isinstance(decode_body(body, ChatRequest), ChatRequest)
    except InvalidRequest as error:
        assert error.message


@given(body=st.dictionaries(fields, json_values) | json_values)
def test_any_json(body: Any) -> None:
    """JSON of any shape is a request, or refused in words."""
    try:
        assert isinstance(decode_body(json.dumps(body).encode(), ChatRequest), ChatRequest)
    except InvalidRequest as error:
        assert error.message


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_no_body(body: bytes) -> None:
    """Whoever sent none is told so."""
    with pytest.raises(InvalidRequest, match="is empty"):
        decode_body(body, ChatRequest)


@given(value=json_values.filter(lambda value: not isinstance(value, str | None)))
def test_the_field_is_named(value: Any) -> None:
    """A field of the wrong type is named."""
    with pytest.raises(InvalidRequest) as refused:
        decode_body(json.dumps({"message": value}).encode(), ChatRequest)
    if "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value) and fits_json(value):
        assert (refused.value.field or "").partition("[")[0] == "message"


def fits_json(value: Any) -> bool:
    """Whether *value* has no lone surrogates, which are no JSON text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(text=st.text())
def test_clean_text(text: str) -> None:
    """Cleaning takes away control characters and outer space, once for all, and nothing else."""
    try:
        kept = clean_text(text, "message", 1_000_000)
    except InvalidRequest as error:
        assert error.field == "message"
        assert not clean_leftovers(text).strip()
    else:
        assert kept == clean_leftovers(text).strip()
        assert clean_text(kept, "message", 1_000_000) == kept


def clean_leftovers(text: str) -> str:
    """*text* without what is to be taken away."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def test_the_bound_counts_what_is_kept() -> None:
    """Trimmed text is measured, in characters."""
    assert clean_text(" 水車水車 ", "message", 4) == "水車水車"
    with pytest.raises(InvalidRequest, match="5 characters"):
        clean_text("12345", "message", 4)


@pytest.mark.parametrize("good", ["c1", "conv_0", "A.b:c-d_e", "x" * 128, "0"])
def test_ids(good: str) -> None:
    """Ids are letters, digits and a few signs."""
    assert checked_id(good, "conversation_id") == good


@pytest.mark.parametrize(
    "bad", ["", " ", "a b", "a/b", "-a", ".a", "x" * 129, "a\n", "é", "a\x00", "{a}", "*"]
)
def test_no_ids(bad: str) -> None:
    """Nothing that could mean something in a key, a path or a header is an id."""
    with pytest.raises(InvalidRequest) as refused:
        checked_id(bad, "conversation_id")
    assert refused.value.field == "conversation_id"


def test_digest() -> None:
    """Equal requests have equal digests, others have not."""
    assert digest(ChatRequest(message="a")) == digest(ChatRequest(message="a", on_busy="reject"))
    assert digest(ChatRequest(message="a")) != digest(ChatRequest(message="a", max_tokens=1))


def kinds(kind: type[HeadraceError]) -> list[type[HeadraceError]]:
    """It and all that are narrower."""
    return [kind, *(each for narrower in kind.__subclasses__() for each in kinds(narrower))]


@pytest.mark.parametrize("kind", kinds(HeadraceError))
def test_a_refusal_says_whether_to_come_again(kind: type[HeadraceError]) -> None:
    """Of every error; and when, in whole seconds, rounded up."""
    for wait_s, said in ((None, None), (0, "1"), (1.2, "2")):
        error = kind("x")
        error.retry_after_s = wait_s
        response = render(error, NATIVE_ERRORS, "req_1")
        assert response.headers.get("X-Should-Retry") == (None if error.retryable else "false")
        assert response.headers.get("Retry-After") == said


def test_where_a_reader_resumes() -> None:
    """The header, which changes with each event, before the address, which does not."""
    for path, headers, resumes in (
        ("/x?after=1-2", {"Last-Event-ID": "1-5"}, ("Last-Event-ID", "1-5")),
        ("/x?after=1-2", {}, ("after", "1-2")),
        ("/x?after=", {}, ("after", None)),
    ):
        assert resume_value(make_mocked_request("GET", path, headers)) == resumes
