"""What is measured: how each system is started, and asked for a stream."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.page import node
from deploy.up import valkey
from tests.bench.children import Child, Failed, free_port, python, running
from tests.bench.load import post
from tests.bench.peers import litellm_proxy, resumable_stream
from tests.kit import locked

OURS = "headrace"
#: Ours from another checkout, say of the last release.
OTHER = "headrace, other checkout"
#: Ours with keys asked for, and every limit there is, none of which is met.
LIMITED = "headrace, every limit on"
DIRECT = "upstream alone"
FASTAPI = "FastAPI + httpx"
LITELLM = "LiteLLM proxy"
RESUMABLE = "resumable-stream"


@dataclass(frozen=True)
class Target:
    """A system that is up."""

    child: Child
    #: Where it listens; ours may have several gateways.
    ports: Sequence[int]
    #: The request for a stream that answers a message.
    ask: Callable[[str], bytes]
    #: The same for a whole answer, where there are such.
    ask_whole: Callable[[str], bytes] | None = None

    @property
    def port(self) -> int:
        """Where it is asked."""
        return self.ports[0]


@asynccontextmanager
async def upstream() -> AsyncIterator[Target]:
    """The fake model server, asked directly."""
    port = free_port()
    command = python("tests.kit.upstream", "--port", str(port))
    async with running(command, [port], lambda _: "upstream") as child:
        yield Target(child, [port], _completion)


#: None of them is ever met.
_LIMITS = {
    **dict.fromkeys(("requests-per-minute", "max-concurrent", "max-queued", "max-streams"), 100_000),
    **dict.fromkeys(("tokens-per-minute", "tokens-per-day", "tokens-per-month"), 1_000_000_000),
    **dict.fromkeys(("cost-per-day", "cost-per-month"), 1_000_000),
    "max-tokens": 4096,
}


@asynccontextmanager
async def headrace(
    upstream_port: int,
    *,
    gateways: int = 1,
    workers: int = 1,
    primaries: int = 1,
    bin_folder: Path = Path(sys.executable).parent,
    limited: bool = False,
) -> AsyncIterator[Target]:
    """
    Ours, whole: broker, workers, gateways and what keeps them running; as installed in *bin_folder*.

    With several *primaries*, each with its replica, the broker is a cluster of them. With *limited* keys are
    asked for, and key and tenant have every limit.
    """
    first = free_port(following=gateways - 1)
    ports = range(first, first + gateways)
    with TemporaryDirectory(prefix="headrace-bench-", ignore_cleanup_errors=True) as data:
        command = [
            *(str(bin_folder / "headrace"), "up", "--port", str(first)),
            *("--gateways", str(gateways), "--workers", str(workers)),
            *("--upstream", _base_url(upstream_port), "--model", "fake", "--data", data),
            *(("--cluster", str(primaries)) if primaries > 1 else ()),
        ]
        environment = {"HEADRACE_AUTH": "keys"} if limited else {}
        async with running(command, ports, _role, **environment) as child:
            key = await _limited_key(bin_folder, Path(data)) if limited else None
            yield Target(
                child,
                ports,
                lambda message: post("/api/chat/stream", {"message": message}, key),
                _whole_completion,
            )


async def _limited_key(bin_folder: Path, data: Path) -> str:
    """A key with every limit, whose tenant has them too."""
    broker = ("--redis", valkey.url(valkey.socket_path(data)))
    limits = [word for name, most in _LIMITS.items() for word in (f"--{name}", str(most))]
    for command in (("tenants", "set", "bench", *limits), ("keys", "create", "--tenant", "bench", *limits)):
        process = await asyncio.create_subprocess_exec(
            str(bin_folder / "headrace"), *command, *broker, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise Failed(f"headrace {command[0]} ended with status {process.returncode}")
    return said.decode().strip()


@asynccontextmanager
async def peer(module: str, upstream_port: int) -> AsyncIterator[Target]:
    """One of `tests.bench.peers`."""
    port = free_port()
    command = python(
        f"tests.bench.peers.{module}", "--port", str(port), "--upstream", _base_url(upstream_port)
    )
    async with running(command, [port], _peers_role) as child:
        ask, ask_whole = _ASKED_OTHERWISE.get(module, (_chat, None))
        yield Target(child, [port], ask, ask_whole)


#: How ours is asked in its other dialects, by the name each measurement goes by.
DIALECTS: dict[str, Callable[[str], bytes]] = {
    f"{OURS}, openai_chat": lambda message: _completion(message),
    f"{OURS}, openai_responses": lambda message: post(
        "/v1/responses", {"model": "fake", "stream": True, "input": message}
    ),
    f"{OURS}, ui_message": lambda message: post(
        "/api/ui/chat",
        {
            "id": uuid.uuid4().hex,
            "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": message}]}],
            "trigger": "submit-message",
        },
    ),
    f"{OURS}, anthropic_messages": lambda message: post(
        "/v1/messages",
        {
            "model": "fake",
            "max_tokens": 100_000,
            "stream": True,
            "messages": [{"role": "user", "content": message}],
        },
    ),
    f"{OURS}, ag_ui": lambda message: post(
        "/api/ag-ui",
        {
            "threadId": uuid.uuid4().hex,
            "runId": uuid.uuid4().hex,
            "messages": [{"id": "m1", "role": "user", "content": message}],
        },
    ),
}

#: Modules of `tests.bench.peers` by the name they go by.
PEERS = {
    "bare aiohttp": "bare_aiohttp",
    FASTAPI: "fastapi_httpx",
    "OpenAI SDK + sse-starlette": "openai_sse_starlette",
    LITELLM: "litellm_proxy",
    RESUMABLE: "resumable_stream",
}


def _base_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def _completion(message: str, *, stream: bool = True) -> bytes:
    body = {"model": "fake", "stream": stream, "messages": [{"role": "user", "content": message}]}
    return post("/v1/chat/completions", body)


def _whole_completion(message: str) -> bytes:
    return _completion(message, stream=False)


def _chat(message: str) -> bytes:
    return post("/chat", {"message": message})


def _whole_chat(message: str) -> bytes:
    return post("/chat", {"message": message, "stream": False})


#: How peers are asked, where that is not by `_chat` for streams alone.
_ASKED_OTHERWISE: dict[str, tuple[Callable[[str], bytes], Callable[[str], bytes]]] = {
    "fastapi_httpx": (_chat, _whole_chat),
    "litellm_proxy": (_completion, _whole_completion),
}


def install() -> None:
    """Install the peers that need an environment of their own."""
    locked.install(litellm_proxy.FOLDER)
    node.install(resumable_stream.FOLDER)


def _peers_role(command: Sequence[str]) -> str:
    return "broker" if _role(command) == "broker" else "proxy"


def _role(command: Sequence[str]) -> str:
    if any(name in word for word in command[:1] for name in ("valkey-server", "redis-server")):
        return "broker"
    for role in ("gateway", "worker"):
        if role in command:
            return role
    return "supervisor"
