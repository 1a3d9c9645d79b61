"""`headrace top` shows what real processes do; `quantile` estimates as Prometheus does."""

import asyncio
import math
import time
from io import StringIO

import pytest
from aiohttp import ClientSession, web
from rich.console import Console

from deploy.top.samples import Between, Look, Page, parsed, quantile
from deploy.top.top import NothingThere, _found, run
from deploy.top.view import picture
from deploy.up import ports
from tests.kit.chat_client import ChatClient, script
from tests.kit.command import said_by
from tests.kit.eventually import eventually
from tests.kit.stack import Stack


async def test_what_is_under_way(stack: Stack, chat: ChatClient, session: ClientSession) -> None:
    """Streams, rates, latencies and each process; one that is down is said to be."""
    down = "http://127.0.0.1:9"
    async with await chat.send(script(length=5000, rate=50)) as running:
        await running.until("chunk", 5)
        await chat.ask(script(length=20, rate=100))
        options = [part for one in stack.gateways for part in ("--gateway", one.url)]
        options += [part for one in stack.workers for part in ("--worker", one.url)]
        code, said = await said_by("top", "--once", "--every", "0.5", *options, "--gateway", down)
        await chat.cancel(running.generation_id)
    assert code == 0, said
    lines = {line[:24].strip(): line[24:].split() for line in said.splitlines()}
    streams, queued, _, _, running_now = lines["streams"][:5]
    assert (streams, queued, running_now) == ("1", "0", "1")
    assert float(lines["streams"][-1]) > 20, "events a second"
    assert lines["delay of an event"][1] == "ms"
    for process in (*stack.gateways, *stack.workers):
        [line] = [line for line in said.splitlines() if process.url in line]
        assert " up " in line
    [line] = [line for line in said.splitlines() if down in line]
    assert " down" in line
    assert [line for line in said.splitlines() if line.startswith("scripted") and "well" in line]


async def test_live(stack: Stack) -> None:
    """It goes on until it is stopped, and looks for what stands beside the one gateway that it is told."""
    out, gateway = StringIO(), stack.gateways[0].url
    console = Console(file=out, force_terminal=True, width=140)
    live = asyncio.create_task(run([gateway], [], 0.1, console, once=False))
    await eventually(lambda: out.getvalue().count("delay of an event") > 2, out.getvalue)
    live.cancel()
    await asyncio.wait([live])
    assert gateway in out.getvalue()


async def test_nothing_is_there() -> None:
    """It says what to start."""
    code, said = await said_by("top", "--once", "--gateway", "http://127.0.0.1:9")
    assert (code, "headrace up" in said) == (1, True)


@pytest.mark.parametrize(("of", "expected"), [(0.5, 0.1), (0.75, 0.55), (1, 1.0), (0, 0.0)])
def test_quantile(of: float, expected: float) -> None:
    """Linear within a bucket."""
    assert quantile(of, [(0.1, 5), (1.0, 10), (math.inf, 10)]) == pytest.approx(expected)
    assert quantile(of, []) is None
    assert quantile(1, [(0.1, 1), (math.inf, 2)]) == 0.1


def test_each_process_by_itself() -> None:
    """One that has begun anew counts from nothing; one that is gone takes nothing from the others."""
    between = Between(
        Look(pages(old=(0, 100), new=(0, 50), gone=(0, 70)), 0), Look(pages(old=(0, 104), new=(6, 0)), 2)
    )
    assert between.rate("s_bucket", le="1.0") == 5
    assert between.rate("s_bucket", ["old"], le="1.0", kind="a") == 2
    assert between.rate("s_bucket", kind="b") == 0
    assert between.quantile(0.6, "s") == 0.5
    assert between.quantile(0.9, "s", kind="b") is None


def test_as_many_models_as_there_may_be() -> None:
    """Whoever looks at hundreds of models waits no longer for a picture than between two of them."""
    of_one = "".join(f's_bucket{{{{le="{bound}",kind="{{0}}"}}}} 1\n' for bound in range(15))
    page = parsed("".join(of_one.format(kind) for kind in range(300)))
    between = Between(Look({}, 0), Look({"a": page}, 1))
    began = time.thread_time()
    assert [between.quantile(0.5, "s", kind=str(kind)) for kind in range(300)] == [0.0] * 300
    assert time.thread_time() - began < 3


@pytest.mark.parametrize(
    ("told", "shown"), [("", ["0", "?", "?"]), ('headrace_queue_depth{queue="q"} 0\n', ["0", "0", "0"])]
)
def test_what_is_not_known_of_queues(told: str, shown: list[str]) -> None:
    """While no primary answers it is not shown as none."""
    out = StringIO()
    look = Look({"a": parsed(f"headrace_open_streams 0\n{told}")}, 1)
    Console(file=out, width=140).print(picture(Between(Look({}, 0), look), ["a"], []))
    [line] = [line for line in out.getvalue().splitlines() if line.startswith("streams")]
    assert line.split()[1:4] == shown


def pages(**counts: tuple[int, int]) -> dict[str, Page]:
    """What processes say that have observed so much up to a half, and so much between that and one."""
    text = 's_bucket{{le="0.5",kind="a"}} {}\ns_bucket{{le="1.0",kind="a"}} {}\n'
    return {address: parsed(text.format(few, few + more)) for address, (few, more) in counts.items()}


async def test_what_stands_beside_it(session: ClientSession) -> None:
    """Also of an address with colons, and up to what is something else."""

    async def metrics(request: web.Request) -> web.Response:
        is_ours = (request.url.port or 0) < first + 2
        return web.Response(text="headrace_open_streams 1\n" if is_ours else "<html>no metrics</html>")

    app, first = web.Application(), ports.free("::1", 3)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    for port in range(first, first + 3):
        await web.TCPSite(runner, "::1", port).start()
    beside = [f"http://[::1]:{port}" for port in range(first, first + 2)]
    assert await _found(session, f"{beside[0]}/") == (beside, [])
    with pytest.raises(NothingThere, match="no address"):
        await _found(session, "127.0.0.1:8000")
    await runner.cleanup()
