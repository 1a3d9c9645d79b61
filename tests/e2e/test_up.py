"""`headrace up` and `headrace chat`, as processes, with nothing in their place but the model."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from headrace import HeadraceClient, Reply
from headrace.events import Chunk, Ended, Event, Failed, Reset
from headrace.terminal import Chat
from tests.e2e.up import Up, kill
from tests.kit.command import said_by
from tests.kit.eventually import eventually
from tests.kit.program import FEW_CERTIFICATES, environment, free_port
from worker.backends.script import expected_text

TEXT = expected_text({"length": 60})

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc"),
]


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Not yet started; after the test it has ended and left no process behind."""
    up = Up(tmp_path)
    yield up
    await up.end()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """One with two gateways and two workers, for what ends nothing; Ctrl-C ends all of it with status 0."""
    up = Up(tmp_path_factory.mktemp("running"))
    try:
        up.start("--gateways", "2", "--workers", "2", speech="auto")
        await up.ready()
        # As where --data is left out.
        (up.folder / ".headrace").symlink_to(up.folder / "data")
        yield up
        up.signal(signal.SIGINT)
        assert await up.ended() == 0
        assert not up.children()
    finally:
        await up.end()


async def read(reply: Reply) -> list[Event]:
    """All of a reply."""
    return [event async for event in reply]


def text(events: list[Event]) -> str:
    """What it says."""
    return "".join(event.text for event in events if isinstance(event, Chunk))


async def test_one_command(running: Up, session: ClientSession) -> None:
    """It says where it listens and what one wants to know next; a message sent there is answered."""
    first, second = await running.ready()
    assert int(second.rpartition(":")[2]) == int(first.rpartition(":")[2]) + 1
    async with session.post(f"{second}/api/chat/stream", json={"message": "hi", "model": "fast"}) as response:
        body = await response.text()
    assert "\nid: 1-0\ndata: " in body
    assert '"type":"end"' in body
    # A slow machine is told how far it has come.
    said = [line for line in running.said.splitlines() if not re.fullmatch(r"  \d of \d, \d+ s", line)]
    assert said == [
        f"Headrace is ready at {first} and {second}",
        "  model: slow, and 1 more",
        f"  logs:  {running.folder / 'data' / 'logs'}",
        "  stop:  Ctrl-C",
    ]


async def test_it_is_found_from_its_folder(running: Up) -> None:
    """Doctor and top that are told no address ask its gateways and workers, wherever those listen."""
    gateways = await running.ready()
    found = await asyncio.gather(
        said_by("doctor", "--no-upstreams", cwd=running.folder),
        said_by("top", "--once", "--every", "0.1", cwd=running.folder),
    )
    assert [code for code, _ in found] == [0, 0], found
    doctor, top = (said for _, said in found)
    assert all(f"gateway {url}" in said for url in gateways for said in (doctor, top))
    assert top.count(" up ") == len(["broker", *gateways, "worker", "worker"])


async def test_it_speaks(
    running: Up, session: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is to be installed for it; `headrace chat --speak` has it played, or says why not."""
    url, _ = await running.ready()
    asked = {"text": "Hello. 你好。", "format": "pcm"}

    async def spoken() -> bytes:
        async with session.post(f"{url}/api/tts/stream", json=asked) as response:
            return await response.read() if response.status == 200 else b""

    data = b""
    for _ in range(100):
        data = data or await spoken()
        await asyncio.sleep(0 if data else 0.2)
    assert len(data) > 2 * 24_000
    player = tmp_path / "aplay"
    player.write_text(f"#!/bin/sh\ncat >{tmp_path}/played\n")
    player.chmod(0o755)
    nowhere, broken = tmp_path / "nowhere", tmp_path / "broken"
    nowhere.mkdir()
    broken.mkdir()
    (broken / "aplay").write_text("#!/bin/sh\nexit 3\n")
    (broken / "aplay").chmod(0o755)
    said, answered = '/script {"rate": 0, "text": "Hello. 你好。"}', "Hello. 你好。\n"
    chat = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy", "chat", "--speak", "--url", url, "--model", "fast", said),
        env={**environment(), "PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await chat.communicate()
    assert (answer.decode(), chat.returncode) == (answered, 0)
    assert (tmp_path / "played").read_bytes() == data
    for path, noted in (
        (str(nowhere), "nothing here plays sound"),
        (f"{broken}:/usr/bin:/bin", "aplay has ended with 3"),
    ):
        monkeypatch.setenv("PATH", path)
        out, notes = StringIO(), StringIO()
        talk = Chat(url, model="fast", speak=True, out=out, notes=notes)
        async with talk._client:
            assert (await talk.answer(said), out.getvalue()) == (0, answered)
        assert noted in notes.getvalue()


async def test_what_is_stopped_or_killed_comes_back(up: Up) -> None:
    """
    Whichever child is killed is started again and said to be; a reply under way loses nothing. What was said
    before Ctrl-C is there after the next start, and is gone on with. A second Ctrl-C waits for nothing.
    """
    up.start(lease_s=1)
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        for word, name in (("worker", "worker 1"), ("gateway", "gateway 1"), ("valkey-server", "the broker")):
            reading = asyncio.create_task(read(reply := client.start("hi")))
            await reply.accepted()
            [pid] = up.children(word)
            kill(pid)
            await up.said_eventually(f"{name} was killed by SIGKILL; starting it again")
            is_whole(await reading)
        reply = await begun(client)
    up.signal(signal.SIGINT)
    assert await up.ended() == 0
    up.start(lease_s=1, drain_grace_s=60)
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        is_whole(await read(client.resume(reply.generation_id or "")))
        await begun(client)
        up.signal(signal.SIGINT)
        await up.said_eventually("Headrace is stopping")
        up.signal(signal.SIGINT)
        await up.ended(timeout_s=5)
    assert not up.children()


async def begun(client: HeadraceClient) -> Reply:
    """A reply that has said something."""
    async for event in (reply := client.start("hi")):
        if isinstance(event, Chunk):
            break
    return reply


def is_whole(events: list[Event]) -> None:
    """The reply has come to its end, and what counts of it is all of its text."""
    assert isinstance(events[-1], Ended), events
    assert text(events[_start(events) :]) == TEXT


async def test_ctrl_c_while_it_starts(up: Up) -> None:
    """It can be stopped before it is ready, and says by its status that it never was."""
    up.start()
    await up_has_started(up)
    up.signal(signal.SIGINT)
    assert await up.ended() == 130
    assert "Traceback" not in up.said
    assert not up.children()


async def test_same_folder_twice(running: Up) -> None:
    """A second one in the same folder is refused, and harms the first in nothing."""
    url, _ = await running.ready()
    status, said = await headrace(
        "up", "--data", "data", "--models", "scripted.toml", "--port", "0", up=running
    )
    assert status == 1
    assert "is in use by another `headrace up`" in said
    async with HeadraceClient(url) as client:
        assert text(await read(client.start("hi", model="fast"))) == TEXT


async def test_commands_in_its_folder(running: Up) -> None:
    """Keys are made where it runs without naming its broker; one that is away is said, with a cure."""
    status, made = await headrace("keys", "create", "--tenant", "acme", up=running)
    assert (status, "hr_" in made) == (0, True), made
    status, listed = await headrace("keys", "list", up=running)
    assert (status, "acme" in listed) == (0, True), listed
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    status, said = await headrace("keys", "list", "--redis", nobody, up=running)
    assert (status, "does not answer" in said, "`headrace up` runs" in said) == (1, True, True)


async def test_what_failed_is_said(running: Up) -> None:
    """One line a failed generation, by default, with what an operator asks first, and nothing of its text."""
    url, _ = await running.ready()
    async with HeadraceClient(url) as client:
        reply = client.start('/script {"fail_after": 2, "fail_code": "upstream_invalid"}')
        assert isinstance((await read(reply))[-1], Failed)
    await running.said_eventually("generation failed")
    [line] = [line for line in running.said.splitlines() if "generation failed" in line]
    for fact in ("warning", reply.generation_id or "", "code=upstream_invalid", "model=slow", "attempt=1"):
        assert fact in line
    assert "fail_after" not in running.said


async def test_after_a_power_cut(up: Up) -> None:
    """
    Even `kill -9` leaves no orphan, and the folder is free again. What tore the end off its data keeps it
    from nothing, and is said; what was said before is there. Where nothing was left to end its children, the
    next one ends them, and nothing that is not its own.
    """
    up.start()
    [url] = await up.ready()
    async with HeadraceClient(url) as client:
        await read(reply := client.start("hi", model="fast"))
    up.signal(signal.SIGKILL)
    await up.ended()
    await up.alone()
    [file] = (up.folder / "data" / "appendonlydir").glob("*.incr.aof")
    with file.open("ab") as torn:
        torn.write(bytes(4096))
    up.start()
    [url] = await up.ready()
    assert "4096 bytes that are no whole command were let go" in up.said
    async with HeadraceClient(url) as client:
        assert text(await read(client.resume(reply.generation_id or ""))) == TEXT
    [leash] = up.children("leash.py")
    kill(leash)
    up.signal(signal.SIGKILL)
    await up.ended()
    orphans = up.children()
    assert len(orphans) >= 3  # and what these had just started
    other = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        noted = up.folder / "data" / "processes"
        # A number that has come to be another's since.
        noted.write_text(json.dumps(json.loads(noted.read_text()) | {other.pid: "boot 1 /usr/bin/sleep"}))
        up.start()
        await up.ready()
        assert "ending what an earlier `headrace up` left behind" in up.said
        assert not set(orphans) & set(up.children())
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_port_taken(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken port is said to be, before anything is started, or a model is fetched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(up.folder / "cache"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up.start("--port", str(port), "--models", "")
        assert await up.ended() == 1
    assert f"port {port} of 127.0.0.1 is already in use" in up.said
    assert up.said.count("\n") == 1


async def test_two_at_once(up: Up) -> None:
    """Of two that want one port one has it, and the other says so: neither takes the other's for its own."""
    (up.folder / "other").mkdir()
    other = Up(up.folder / "other")
    port = str(free_port())
    try:
        for one in (up, other):
            one.start("--port", port)
        await eventually(lambda: not (up.is_alive and other.is_alive), "one of them ends", 30)
        first, second = (up, other) if up.is_alive else (other, up)
        await first.ready()
        assert await second.ended() == 1
        assert "Headrace is ready" not in second.said
        assert f"port {port} of 127.0.0.1 is " in second.said
    finally:
        await other.end()


async def test_open_door(up: Up) -> None:
    """It does not listen beyond this machine without keys."""
    up.start("--host", "0.0.0.0")
    assert await up.ended() == 1
    assert "without API keys" in up.said


async def test_chat(running: Up) -> None:
    """
    The answer goes to standard output and nothing else does; one that is told no address asks its gateway.
    """
    url, _ = await running.ready()
    assert await headrace("chat", "hi", "--model", "fast", up=running) == (0, TEXT + "\n")
    status, said = await headrace("chat", "hi", "--url", url, "--model", "none", up=running)
    assert status == 1
    assert "No model is named 'none'" in said
    assert "Traceback" not in said


async def test_chat_with_nothing_running(running: Up) -> None:
    """It says at once what to start."""
    url = f"http://127.0.0.1:{free_port()}"
    status, said = await headrace("chat", "hi", "--url", url, up=running)
    assert status == 1
    first, second = said.splitlines()
    assert first == f"headrace: nothing answers at {url} (Connection refused)"
    assert "`headrace up`" in second and "--url URL" in second


async def test_chat_ctrl_c(running: Up, session: ClientSession) -> None:
    """Ctrl-C cancels the generation on the server and says so."""
    url, _ = await running.ready()
    chat = await start("chat", "hi", "--url", url, up=running)
    assert chat.stdout is not None
    said = await chat.stdout.read(8)
    chat.send_signal(signal.SIGINT)
    said += await chat.stdout.read()
    assert await chat.wait() == 130
    assert said.endswith(b"[cancelled]\n")
    async with session.get(f"{url}/api/conversations") as response:
        conversation, *_ = (await response.json())["conversations"]
    async with session.get(f"{url}/api/conversations/{conversation['id']}") as response:
        assert (await response.json())["messages"][-1]["state"] == "cancelled"


async def up_has_started(up: Up) -> None:
    """The broker runs, so starting is under way."""
    await eventually(lambda: bool(up.children("valkey-server")), "the broker runs", 20)


async def start(*command: str, up: Up) -> asyncio.subprocess.Process:
    """A `headrace` command beside *up*, its outputs together."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy",
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=up.folder,
        env=environment() | FEW_CERTIFICATES,
    )


async def headrace(*command: str, up: Up) -> tuple[int, str]:
    """Its exit status and all it said."""
    process = await start(*command, up=up)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def _start(events: list[Event]) -> int:
    """Where the text begins that counts: after the last reset."""
    resets = [number for number, event in enumerate(events) if isinstance(event, Reset)]
    return resets[-1] if resets else 0
