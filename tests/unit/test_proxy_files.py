"""The proxies' files in `deploy/proxies`: what they set fits what gateways do."""

import re

import pytest

from shared.settings import Settings
from tests.kit.proxies import FILES, FOLDER

#: What limits how long an answer may be silent.
_LIMITS = {
    "nginx": ("proxy_read_timeout", "send_timeout"),
    "haproxy": ("timeout client", "timeout server", "timeout tunnel"),
    "caddy": (),
}
#: How long a connection to a gateway may wait for a next request.
_IDLE = {"nginx": "keepalive_timeout 60s;", "haproxy": "pool-purge-delay 30s", "caddy": "keepalive 60s"}
#: Of Caddy any of these would.
_NOT_SET = ("read_timeout", "write_timeout", "response_header_timeout", "flush_interval")


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_limits_that_are_set(name: str) -> None:
    """
    Nothing that limits silence is below ten minutes; a connection that nobody uses ends before the gateway
    would end it.
    """
    lines = [line.partition("#")[0].strip() for line in (FOLDER / FILES[name]).read_text().splitlines()]
    for limit in _LIMITS[name]:
        [found] = [match for line in lines if (match := re.fullmatch(rf"{limit}\s+(\d+)s;?", line))]
        assert int(found[1]) >= 600
    assert any(_IDLE[name] in line for line in lines)
    assert int(re.findall(r"\d+", _IDLE[name])[0]) < Settings().idle_timeout_s
    if name == "caddy":
        assert not [line for line in lines for word in _NOT_SET if line.startswith(word)]


def test_the_largest_body_passes() -> None:
    """
    The gateway decides on bodies, in its own words: a picture, a message with one in it, a conversation that
    comes back from its file.
    """
    settings = Settings()
    largest = max(
        settings.max_upload_bytes,
        settings.max_body_bytes + settings.max_upload_bytes * 4 // 3,
        settings.max_body_bytes + 2 * settings.max_conversation_bytes,
    )
    for file, name in (
        (FOLDER / FILES["nginx"], "client_max_body_size"),
        (FOLDER.parent / "helm/headrace/values.yaml", "proxy-body-size:"),
    ):
        [megabytes] = re.findall(rf"{name}\s+(\d+)m\b", file.read_text())
        assert int(megabytes) * 1024 * 1024 > largest, file
