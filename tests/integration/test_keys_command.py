"""`headrace keys`, `tenants` and `usage`: what they print, what they refuse, and what gateways make of it."""

import asyncio
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import pytest
from aiohttp import ClientSession
from cyclopts import Token

from deploy import cli
from deploy.keys import options
from tests.kit.api_keys import CACHE_S
from tests.kit.broker import EmbeddedBroker
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.local import Local
from tests.kit.program import environment


class Said(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


async def headrace(local: Local, *words: str, **settings: object) -> Said:
    """Run it against the test's broker, in this process: each of its own would take a second."""
    env = environment(redis_url=local.settings().redis_url, **settings)

    def run() -> int:
        try:
            return cli.app(words) or 0
        except SystemExit as ended:
            return int(ended.code or 0)

    with patch.dict(os.environ, env), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = await asyncio.to_thread(run)
    return Said(code, out.getvalue(), err.getvalue())


async def of_its_own(local: Local, *words: str, **settings: object) -> Said:
    """The same in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy",
        *words,
        env=environment(redis_url=local.settings().redis_url, **settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


async def test_a_keys_life(local: Local, session: ClientSession, tmp_path: Path) -> None:
    """
    Made, listed, limited, rotated, revoked: the secret alone is on standard output, and audited is each step.
    """
    audit = tmp_path / "audit.jsonl"
    url = await local.start(auth="keys", key_cache_s=CACHE_S, audit_log=audit)
    made = await of_its_own(
        local,
        *("keys", "create", "--tenant", "acme", "--user", "ann", "--scopes", "chat,read", "--expires", "30d"),
        *("--requests-per-minute", "2", "--max-concurrent", "5", "--label", "the app"),
        audit_log=audit,
    )
    assert made.code == 0, made.err
    key = made.out.removesuffix("\n")
    assert key.startswith("hr_")
    assert len(key.splitlines()) == 1
    key_id = key.split("_")[1]
    assert key[-50:] not in made.err
    chat = ChatClient(session, url, key)
    await chat.ask(script(length=1))
    await chat.ask(script(length=1))
    assert (await chat.submit()).status == 429

    listed = await headrace(local, "keys", "list")
    assert [word in listed.out for word in (key_id, "acme", "ann", "active", "the app")] == [True] * 5
    assert key[-50:] not in listed.out
    [told] = json.loads((await headrace(local, "keys", "list", "--tenant", "acme", "--json")).out)
    assert told["limits"] == {"requests_per_minute": 2, "max_concurrent": 5}
    assert "seal" not in told
    assert json.loads((await headrace(local, "keys", "list", "--tenant", "umbrella", "--json")).out) == []

    rotated = (
        await headrace(local, "keys", "rotate", key_id, "--overlap", "1h", audit_log=audit)
    ).out.strip()
    for one in (key, rotated):
        assert (await ChatClient(session, url, one).call("GET", "/api/usage")).status == 200
    usage = json.loads((await headrace(local, "usage", "--tenant", "acme", "--json")).out)
    assert usage["tenant"]["day"]["messages"] == usage[f"key:{key_id}"]["day"]["messages"] == 2
    assert "tenant" in (await headrace(local, "usage", "--tenant", "acme")).out

    assert (await headrace(local, "keys", "revoke", key_id, audit_log=audit)).code == 0
    await eventually(lambda: refused(ChatClient(session, url, rotated)), "the gateway knows of it")
    assert "revoked" in (await headrace(local, "keys", "list")).out
    told = [json.loads(line) for line in audit.read_text().splitlines()]
    happened = [line["event"] for line in told]
    assert happened == ["key_created", "key_first_used", "limit_exceeded", "key_rotated", "key_revoked"]
    assert {line["key"] for line in told} == {key_id}
    assert key[-50:] not in json.dumps(told)


async def test_tenants(local: Local) -> None:
    """Limits and weight are set, each without the other, and shown."""
    broker = ("--redis", local.settings().redis_url)
    assert (await headrace(local, "tenants", "set", "acme", "--tokens-per-day", "1000", *broker)).code == 0
    assert (await headrace(local, "tenants", "set", "acme", "--weight", "2.5", *broker)).code == 0
    shown = json.loads((await headrace(local, "tenants", "show", "acme", *broker)).out)
    assert shown == {"name": "acme", "weight": 2.5, "limits": {"tokens_per_day": 1000}}


@pytest.mark.parametrize(
    ("text", "s"), [("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 2592000), ("2w", 1209600)]
)
def test_times(text: str, s: int) -> None:
    """By their units."""
    assert options._duration(None, [Token(value=text)]) == s


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("keys create --tenant acme --scopes all", "scope"),
        ("keys create --tenant acme --expires soon", "soon"),
        ("keys create --tenant acme --requests-per-minute 0", "requests_per_minute"),
        ("keys create --tenant acme --takes-over-env NOTHING", "NOTHING"),
        ("keys create --tenant acme --user=", "--user is empty"),
        ("keys rotate nothing", "no key"),
        ("keys revoke nothing", "no key"),
        ("keys list --redis redis://127.0.0.1:1", "broker"),
        ("tenants set acme --weight 0", "weight"),
    ],
)
def test_what_cannot_be_done(
    broker: EmbeddedBroker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    """What is wrong is said, and no key is made. Within this process: each of its own would take a second."""
    monkeypatch.setenv("HEADRACE_REDIS_URL", broker.url())
    with pytest.raises(SystemExit) as ended:
        cli.app(words.split())
    told = capsys.readouterr()
    assert ended.value.code in {1, 2}
    assert said in told.err + told.out
    assert "hr_" not in told.out


async def refused(chat: ChatClient) -> bool:
    """Whether its key opens nothing."""
    return (await chat.call("GET", "/api/usage")).status == 401
