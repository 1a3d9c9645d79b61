"""Pages of other names and other origins neither read what is here nor set anything off."""

import json

import pytest

from tests.kit.local import Local
from tests.kit.wire import Wire, WireAnswer

_SEND = json.dumps({"message": "Hi"}).encode()
_JSON = "Content-Type: application/json"
_ADDRESSES = ("/", "/api/conversations", "/api/heartbeat", "/v1/models", "/openapi.json", "/nothing")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost", "localhost.", "localhost:8000", "localhost:3000", "a.localhost:1"),
        *("127.0.0.1", "127.0.0.1:80", "127.8.9.10", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:8000"),
    ],
)
async def test_loopback_is_served(local: Local, host: str) -> None:
    """Every name and address of this machine's loopback, with any port."""
    await local.start(worker=False)
    async with Wire(port(local)) as wire:
        assert (await wire.ask("GET", "/api/conversations", host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("evillocalhost", "evil-localhost", "localhost.localdomain", "xn--localhost-", "localhos"),
        *("0.0.0.0", "10.0.0.7:8000", "192.168.1.20", "169.254.169.254", "[::]", "[fe80::1]:8000"),
        *("[::ffff:10.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "128.0.0.1"),
        *(
            "",
            ":8000",
            "localhost:x",
            "localhost:80:80",
            "localhost:-1",
            "[::1",
            "::1",
            "[]",
            "..",
            "localhost..",
        ),
        *("a@localhost", "localhost@evil.example", "localhost/evil.example", "localhost#", "localhost?x"),
        *("localhost, evil.example", "evil.example,localhost", "localhost evil.example", "http://localhost"),
        *("l\u00f6calhost", "\u212aocalhost", "localhos\uff54", "localhost%00", "*", "*.localhost.x"),
    ],
)
async def test_other_names_are_refused(local: Local, host: str) -> None:
    """Without keys nothing else is, whatever the address; the refusal says what to set."""
    await local.start(worker=False)
    async with Wire(port(local)) as wire:
        for path in _ADDRESSES:
            refused(await wire.ask("GET", path, host=host), "HEADRACE_HOSTS")
        refused(
            await wire.ask("POST", "/v1/chat/completions", _JSON, body=_SEND, host=host), "HEADRACE_HOSTS"
        )
        refused(await wire.ask("DELETE", "/api/conversations/c1", host=host), "HEADRACE_HOSTS")
        refused(await wire.ask("OPTIONS", "/api/chat/stream", host=host), "HEADRACE_HOSTS")


async def test_a_target_with_a_name_of_its_own(local: Local) -> None:
    """Host and an absolute target must both be ours; without any Host nothing is served."""
    await local.start(worker=False)
    async with Wire(port(local)) as wire:
        refused(await wire.ask("GET", "http://evil.example/api/conversations"), "HEADRACE_HOSTS")
        there = "http://localhost/api/conversations"
        refused(await wire.ask("GET", there, host="evil.example"), "HEADRACE_HOSTS")
        assert (await wire.ask("GET", there)).status == 200
        wire.send(b"GET /api/conversations HTTP/1.0\r\n\r\n")
        refused(await wire.answer(), "HEADRACE_HOSTS")


async def test_configured_names(local: Local) -> None:
    """Names that are set are served beside loopback's, in any case, with any port, and no others."""
    await local.start(worker=False, hosts="Chat.example.org, 192.168.1.20:8000,[fe80::1]")
    async with Wire(port(local)) as wire:
        for host in (
            "chat.example.org",
            "CHAT.example.org.:443",
            "192.168.1.20:9",
            "[FE80::1]:1",
            "localhost",
        ):
            assert (await wire.ask("GET", "/api/conversations", host=host)).status == 200
        for host in ("example.org", "a.chat.example.org", "192.168.1.21"):
            refused(await wire.ask("GET", "/api/conversations", host=host), "HEADRACE_HOSTS")


async def test_with_keys(local: Local) -> None:
    """With keys any name is served, for no page has them; names that are set hold all the same."""
    await local.start(worker=False, api_keys="k")
    other = await local.add_gateway(api_keys="k", hosts="chat.example.org")
    key = "Authorization: Bearer k"
    async with Wire(port(local)) as wire:
        assert (await wire.ask("GET", "/api/conversations", key, host="any.example")).status == 200
    async with Wire(int(other.rpartition(":")[2])) as wire:
        assert (await wire.ask("GET", "/api/conversations", key, host="chat.example.org")).status == 200
        refused(await wire.ask("GET", "/api/conversations", key, host="any.example"), "HEADRACE_HOSTS")


async def test_probes(local: Local) -> None:
    """Orchestrators probe by address or without a Host; a name is refused there too."""
    await local.start(worker=False)
    async with Wire(port(local)) as wire:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await wire.ask("GET", path, host="10.0.0.7:8000")).status == 200
            assert (await wire.ask("HEAD", path, host="[fd00::7]:8000")).status == 200
            refused(await wire.ask("GET", path, host="evil.example"), "HEADRACE_HOSTS")
    async with Wire(port(local)) as wire:
        wire.send(b"GET /livez HTTP/1.0\r\n\r\n")
        assert (await wire.answer()).status == 200


ALLOWED = "https://app.example.org"
#: What browsers say of a page that may not call.
FOREIGN = [
    ("Sec-Fetch-Site: cross-site",),
    ("Sec-Fetch-Site: same-site",),
    ("Sec-Fetch-Site: cross-site", "Origin: https://evil.example"),
    ("Sec-Fetch-Site: none", "Origin: chrome-extension://abc"),
    ("Origin: https://evil.example",),
    ("Origin: null",),
    ("Origin: ",),
    ("Origin: http://localhost:3000",),
    ("Origin: http://127.0.0.1",),
    ("Origin: https://app.example.org.evil.example",),
    ("Origin: http://app.example.org",),
    ("Origin: https://app.example.org", "Origin: https://evil.example"),
]
UNSAFE = [
    ("POST", "/api/chat/gen_x/cancel"),
    ("POST", "/api/ui/chat/c1/stop"),
    ("POST", "/v1/responses/resp_x/cancel"),
    ("DELETE", "/api/conversations/c1"),
    ("DELETE", "/v1/responses/resp_x"),
    ("PATCH", "/api/conversations/c1"),
    ("POST", "/nothing"),
]


@pytest.mark.parametrize("keys", ["", "k"])
@pytest.mark.parametrize("said", FOREIGN, ids=repr)
async def test_foreign_pages_set_nothing_off(local: Local, said: tuple[str, ...], keys: str) -> None:
    """What changes something is refused, with a body and without; so nothing happens that nobody can see."""
    await local.start(worker=False, cors_origins=ALLOWED, api_keys=keys)
    said = (*said, "Authorization: Bearer k")
    async with Wire(port(local)) as wire:
        for method, path in UNSAFE:
            refused(await wire.ask(method, path, *said), "HEADRACE_CORS_ORIGINS")
        for path in ("/api/chat/stream", "/v1/chat/completions", "/v1/responses", "/api/ui/chat"):
            refused(await wire.ask("POST", path, _JSON, *said, body=_SEND), "HEADRACE_CORS_ORIGINS")
        assert (await wire.ask("GET", "/api/conversations", *said)).status == 200
    assert not local.state.relay.open_streams


@pytest.mark.parametrize(
    "said",
    [
        (),
        ("Sec-Fetch-Site: none",),
        ("Sec-Fetch-Site: same-origin",),
        ("Sec-Fetch-Site: same-origin", "Origin: https://behind.a.proxy"),
        ("Sec-Fetch-Site: cross-site", f"Origin: {ALLOWED}"),
        ("Sec-Fetch-Site: same-site", f"Origin: {ALLOWED}"),
        (f"Origin: {ALLOWED}",),
        ("Origin: http://HERE",),
        ("Origin: https://HERE", "Sec-Fetch-Site: same-origin"),
    ],
    ids=repr,
)
async def test_everybody_else_goes_on(local: Local, said: tuple[str, ...]) -> None:
    """Programs, our own page and allowed origins are not disturbed."""
    await local.start(worker=False, cors_origins=ALLOWED)
    said = tuple(line.replace("HERE", f"127.0.0.1:{port(local)}") for line in said)
    async with Wire(port(local)) as wire:
        assert (await wire.ask("POST", "/api/chat/gen_x/cancel", *said)).status == 404
        assert (await wire.ask("DELETE", "/api/conversations/c1", *said)).status == 404


def refused(answer: WireAnswer, setting: str) -> None:
    """403 in the address's shape, which names *setting*."""
    assert answer.status == 403, answer
    assert answer.error["code"] == "forbidden"
    assert setting in answer.error["message"]


def port(local: Local) -> int:
    """Of the first gateway."""
    return int(local.url.rpartition(":")[2])
