"""One trace from the client's `traceparent` to the upstream's answer, over a worker's death, and in logs."""

import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from shared import keys
from shared.events import Text, Usage
from shared.generation import Generation
from shared.models import Model
from shared.otel import Spans
from tests.conftest import StartStack
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from tests.kit.otlp import Receiver
from tests.kit.program import Program, free_port
from tests.kit.stack import Stack
from worker.backends import Finished, Prompt
from worker.traces import Asked
from worker.upstreams import Upstream

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SERVER, CLIENT, ERROR = 2, 3, 2


async def test_one_trace_over_a_workers_death(
    own_stack: StartStack, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Request, wait, the attempt that was lost, the one that went on, and what it asked: the client's own trace,
    without a word of what was said. Logs of both processes name request, generation and trace.
    """
    async with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        stack = await own_stack(workers=2, upstream=True, otel=True, log_format="json", lease_s=1)
        chat = ChatClient(session, stack.gateways[0].url)
        message = script(length=60, rate=40)
        async with await chat.send(message, headers=SENT, model="upstream", conversation_id="c1") as reader:
            await reader.until("chunk", 10)
            (await _holder(stack, session)).signal(signal.SIGKILL)
            await reader.all()
        assert reader.end.type == "end"

        def whole() -> bool:
            return {span.name for span in receiver.of(TRACE)} >= {"POST /api/chat/stream", "chat upstream"}

        await eventually(whole, lambda: [span.name for span in receiver.of(TRACE)])
        [request] = receiver.of(TRACE, "POST /api/chat/stream")
        assert (request.parent, request.kind, request.service) == (PARENT, SERVER, "headrace-gateway")
        assert request.facts["headrace.generation.id"] == reader.generation_id
        assert request.facts["http.response.status_code"] == 200
        [queue] = receiver.of(TRACE, "queue")
        lost, second = receiver.of(TRACE, "attempt")
        assert {span.parent for span in (queue, lost, second)} == {request.id}
        assert (lost.facts["headrace.attempt"], lost.facts["error.type"], lost.status) == (
            1,
            "worker_lost",
            ERROR,
        )
        assert (second.facts["headrace.attempt"], second.status) == (2, 0)
        assert second.facts["gen_ai.response.finish_reasons"] == ["stop"]
        asked = receiver.of(TRACE, "chat upstream")[-1]
        assert (asked.parent, asked.kind, asked.service) == (second.id, CLIENT, "headrace-worker")
        assert (
            asked.facts.items()
            >= {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "upstream",
                "gen_ai.request.stream": True,
                "gen_ai.conversation.id": "c1",
                "server.address": "127.0.0.1",
            }.items()
        )
        assert asked.facts["gen_ai.usage.output_tokens"] > 0
        assert asked.facts["gen_ai.response.time_to_first_chunk"] >= 0
        assert not [
            span for span in receiver.spans if "/script" in repr(span) or "messages" in repr(span.facts)
        ]
        await _logs(stack, chat)


async def _holder(stack: Stack, session: ClientSession) -> Program:
    """The worker that is at it."""
    for worker in stack.workers:
        async with session.get(f"{worker.url}/metrics") as response:
            if 'headrace_generations_running{model="upstream"} 1.0' in await response.text():
                return worker
    raise AssertionError("no worker is at it")


async def _logs(stack: Stack, chat: ChatClient) -> None:
    stack.redis.set(keys.RECORD + "gen_x", "of another kind", px=5000)
    answer = await chat.call("GET", "/api/chat/gen_x", headers=SENT)
    [line] = [
        line for line in _lines(stack.gateways[0].log) if line["event"] == "the broker refused a command"
    ]
    assert (line["request_id"], line["trace_id"]) == (answer.headers["X-Request-Id"], TRACE)
    stack.redis.delete(keys.RECORD + "gen_x")
    async with await chat.send(script(status=401), headers=SENT, model="upstream") as reader:
        await reader.all()
    lines = [line for worker in stack.workers for line in _lines(worker.log)]
    [line] = [line for line in lines if line["event"] == "generation failed"]
    assert line["generation"] == reader.generation_id
    assert (line["request_id"], line["trace_id"]) == (reader.headers["X-Request-Id"], TRACE)


def _lines(log: str) -> list[dict[str, Any]]:
    """A JSON object a line, whoever wrote it."""
    return [json.loads(line) for line in log.splitlines()]


def test_nothing_is_imported_where_nothing_is_traced() -> None:
    """Gateway and worker run without OpenTelemetry; where it is wanted and missing, that is said."""
    code = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
import gateway.process, worker.process
from shared import tracing
from shared.settings import Settings
tracing.begin(Settings(), "x")
assert tracing.spans is None
try:
    tracing.begin(Settings(otel=True), "x")
except tracing.SettingsWrong as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "headrace: HEADRACE_OTEL: needs OpenTelemetry: pip install 'headrace[otel]'\n", done


def test_a_collector_that_is_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process ends all the same, within seconds."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    spans = Spans("a test", content=False)
    with spans.request("GET", "/", None, None):
        pass
    began = time.monotonic()
    spans.close()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("told", [True, False])
async def test_what_is_said_is_told_only_where_that_is_wanted(
    told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of it, and the fields that the conventions have for a request."""
    model = Model(backend="scripted", parameters={"length": 1}, max_tokens=9)
    [place] = model.places
    upstream = Upstream("local", model, place, None, alone=True)  # type: ignore[arg-type]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]
    prompt = Prompt(messages, parameters={"temperature": 0.5, "seed": 7, "tools": []})
    generation = msgspec.convert(
        {
            "id": "gen_a",
            "owner": "o",
            "state": "running",
            "model": "local",
            "queue": "q",
            "dialect": "d",
            "created_ms": 1,
        },
        Generation,
    )
    now = 1.0
    monkeypatch.setattr("worker.traces.time", SimpleNamespace(monotonic=lambda: now))
    asked = Asked(upstream, prompt, generation, told=told)
    for now, word in ((1.5, "Hel"), (9.0, "lo")):  # noqa: B007 - read above
        asked.hearing(lambda event: None)(Text(1, word))
    facts = asked.facts() | asked.answered(Finished("stop"), Usage(3, 1, 4, cached_tokens=2))
    assert facts["gen_ai.response.time_to_first_chunk"] == 0.5, "of its first word"
    assert facts["gen_ai.request.temperature"] == 0.5
    assert (facts["gen_ai.request.seed"], facts["gen_ai.request.max_tokens"]) == (7, 9)
    assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.cache_read.input_tokens"]) == (3, 2)
    said = {
        name: json.loads(str(value))
        for name, value in facts.items()
        if "messages" in name or "system" in name
    }
    if not told:
        assert not said
        return
    assert said == {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Hi?"}]}],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
        ],
    }
