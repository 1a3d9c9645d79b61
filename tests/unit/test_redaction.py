"""What upstreams say, without what is nobody's business."""

import re

import pytest

from worker.backends.errors import refusal
from worker.backends.redaction import for_clients, for_log

KEYS = [
    "sk-proj-abcDEF123456",
    "gsk_8fJkQ2mVx0Lr",
    "AIzaSyD4n0tAReaLKey0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "0f8fad5bd9cb469fa16570867728950e",
    "550e8400-e29b-41d4-a716-446655440000",
    "k9Qz81LmWx72PbVt5RsY",
    "nvapi-Zz12_ab-34cd56ef",
    "sk-ab****************wxyz",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "eyJhbGciOi.eyJzdWIi",
]
SENTENCES = ["Incorrect API key provided: {}.", "Authorization: Bearer {}", "key={} is unknown", "{} refused"]
PLACES = [
    "http://10.1.2.3:8000/v1/chat/completions",
    "https://user:pw@llm.corp.example.com/v1?key=abc",
    "10.20.30.40",
    "10.20.30.40:8443",
    "[fd00::1]:8000",
    "fe80::1ff:fe23:4567:890a",
    "vllm-0.vllm.prod.svc.cluster.local",
    "gpu-17:8000",
    "vllm:8000",
    "localhost:11434",
    "inference.internal",
    "/srv/models/llama-3/config.json",
    "~/secrets/models.toml",
    r"C:\models\llama\weights.bin",
    "vllm/engine/async_llm_engine.py",
    "ops@example.com",
    "https://[2001:db8::1]:8443/v1",
    "[2001:db8::dead:beef%eth0]:443",
    "file:///home/alice/.cache/huggingface/token",
    r"\\fileserver\models\llama.gguf",
    r"\\?\C:\models\llama.gguf",
    "%2Fsrv%2Fmodels%2Fllama",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/llm-prod",
    "//aiplatform.googleapis.com/projects/acme-prod/locations/us-central1",
    "projects/acme-prod/locations/us-central1/endpoints/123",
    "llm.corp.acme:8080",
    "aa:bb:cc:dd:ee:ff",
]
USEFUL = [
    "This model's maximum context length is 8192 tokens, however you requested 9000 tokens (8000 + 1000).",
    "The model `gpt-4o-mini-2024-07-18` does not exist or you do not have access to it.",
    "claude-3-5-sonnet-20241022 is overloaded; try meta-llama/Llama-3.1-70B-Instruct-Turbo",
    "Invalid value: 'messages.0.content' must be a string, e.g. messages[0].content",
    "Rate limit reached: limit 10000, used: 9800, requested: 500. Try again in 12.5s (at 12:30:45).",
    "max_tokens:128000 is above max:4096; status:429; code:1234",
    "Unexpected token: response_format at line 3 column 17",
    "tools.function.name is missing and/or empty",
    "temperature must be between 0 and 2, got 3.5 on 2024-08-06T10:20:30Z",
    "ChatCompletionRequestMessageContentPartText has no field image_url",
    "accounts/fireworks/models/llama-v3p1-8b-instruct is not deployed; use application/json, and/or 24/7",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_no_key(sentence: str, key: str) -> None:
    """A key reaches neither client nor log, whatever it looks like, and the sentence stays."""
    for clean in (for_clients, for_log):
        said = clean(sentence.format(key))
        assert key not in said
        assert not any(part in said for part in re.split("[-*/]", key) if len(part) > 5), said
        assert sentence.split("{}")[0].split(" ")[0] in said


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("sentence", ["Cannot reach {}", "failed at ({}): timed out", "'{}' does not answer"])
def test_no_place(sentence: str, place: str) -> None:
    """A client does not read where anything is; the operator does."""
    said = for_clients(sentence.format(place))
    before, after = sentence.split("{}")
    assert said.startswith(before)
    assert said.endswith(after)
    assert said[len(before) : len(said) - len(after)] in {"[address]", "[path]", "[e-mail]"}, said
    if "pw@" not in place:
        assert for_log(sentence.format(place)) == sentence.format(place)


@pytest.mark.parametrize("text", USEFUL)
def test_what_is_useful_stays(text: str) -> None:
    """Models, limits, fields, numbers and times are what a client wants to know."""
    assert for_clients(text) == for_log(text) == text


def test_credentials_in_an_address() -> None:
    """The operator's log has where it is, without the key to it."""
    said = for_log("no route to https://user:pw@llm.corp.example.com/v1?api_key=abc12345&x=1")
    assert said == "no route to https://[redacted]@llm.corp.example.com/v1?api_key=[redacted]&x=1"
    assert "hunter2" not in for_log('{"password": "hunter2"}')
    assert for_log("got Authorization: Bearer opensesame") == "got Authorization: Bearer [redacted]"
    assert for_log("got Authorization: Basic dXNlcjpwdw==") == "got Authorization: Basic [redacted]"


def test_a_refusal() -> None:
    """What a model server says reaches the log without keys, and a client without places as well."""
    body = b'{"error": {"message": "vllm-3.prod.internal:8000 refused k9Qz81LmWx72PbVt5RsY (/srv/app/x.py)"}}'
    said = refusal(400, {}, body).message
    assert said == "vllm-3.prod.internal:8000 refused [redacted] (/srv/app/x.py)"
    assert for_clients(said) == "[address] refused [redacted] ([path])"
