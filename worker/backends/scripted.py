"""
The deterministic backend of tests, demos and benchmarks: a model that says what its options say.

It keeps to an absolute schedule, so that a thousand of them still send at their rate, and it can go
on from a prefix. A user message such as `/script {"length": 5}` overrides options for one reply.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, cast

import msgspec

from shared.events import FinishReason, Reasoning, Text, ToolCall, Usage, now_ms
from shared.failures import UpstreamError, UpstreamRejected
from shared.models import Model
from worker.backends import Delta, Finished, Prompt, Take
from worker.backends.pictures import NewPicture
from worker.backends.script import (
    DOWN,
    Script,
    cut,
    deltas_of,
    expected_text,
    generated_words,
    read_script,
    up_to,
)

__all__ = ["Scripted", "expected_text"]

_OVERRIDE = "/script "


class _Turn(msgspec.Struct):
    """What is to be said in one reply, and what comes of it."""

    pieces: list[tuple[type[Text | Reasoning], str]]
    ending: Literal["stop", "length", "tool_calls", "fail", "stall"]
    failure: UpstreamError
    prompt_tokens: int


class Scripted:
    """A model of known answers."""

    def __init__(self, model: Model) -> None:
        """Raises `ValueError` for an option that there is not."""
        self._options = model.parameters
        self._max_tokens = model.max_tokens
        self._script = read_script(model.parameters)

    async def stream(self, prompt: Prompt, take: Take | None = None) -> AsyncGenerator[Sequence[Delta], None]:
        """As `Backend.stream` says, without *take*. A prefix that does not begin the script is rejected."""
        message = _last_user_message(prompt)
        script = self._script_for(message)
        turn = self._turn(script, message, prompt)
        pieces, rate, batch = turn.pieces, script.rate, script.batch
        loop = asyncio.get_running_loop()
        begin = loop.time() + script.first_token_delay_s
        await asyncio.sleep(script.first_token_delay_s)
        for at in range(0, len(pieces), batch):
            # Even when late: others must get their turn, and a cancel its moment.
            await asyncio.sleep(max(0.0, begin + at / rate - loop.time()) if rate else 0)
            ts = now_ms()
            yield [kind(ts, text) for kind, text in pieces[at : at + batch]]
        if turn.ending == "fail":
            raise turn.failure
        elif turn.ending == "stall":
            await loop.create_future()
        elif turn.ending == "tool_calls":
            yield _tool_call()
        if turn.ending == "stop":
            for number in range(script.pictures):
                await asyncio.sleep(1 / rate if rate else 0)
                yield [NewPicture(now_ms(), drawn(script.seed + number), "image/png")]
        said = len(pieces)
        yield [
            Finished(
                cast(FinishReason, turn.ending), Usage(turn.prompt_tokens, said, turn.prompt_tokens + said)
            )
        ]

    async def models(self) -> Sequence[str]:
        """None: it answers to every name."""
        return []

    async def close(self) -> None:
        """There is nothing to give back."""

    def _script_for(self, message: str) -> Script:
        # Of messages that were joined because an earlier one had no answer, the last counts.
        said = message.rpartition("\n\n" + _OVERRIDE)
        override = said[2] if said[1] else message.removeprefix(_OVERRIDE)
        if override == message:
            return self._script
        try:
            return read_script({**self._options, **msgspec.json.decode(override, type=dict)})
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise UpstreamRejected(f"Not a script: {error}") from error

    def _turn(self, script: Script, message: str, prompt: Prompt) -> _Turn:
        deltas = list(deltas_of(script, message))
        said = len(cut(prompt.prefix))
        if prompt.prefix:
            whole = "".join(deltas)
            if not whole.startswith(prompt.prefix):
                raise UpstreamRejected("The script does not begin with this prefix.")
            deltas = list(cut(whole[len(prompt.prefix) :]))
        if stop := prompt.parameters.get("stop"):
            deltas = list(cut(up_to("".join(deltas), stop)))
        turn = _Turn([], "tool_calls" if script.tool_call else "stop", script.failure, _words(prompt))
        limit = prompt.max_tokens or self._max_tokens
        if limit is not None and limit < len(deltas):
            turn.ending = "length"
            del deltas[limit:]
        if script.fail_after is not None and _comes(script.fail_after - said, len(deltas), prompt):
            turn.ending = "fail"
            del deltas[script.fail_after - said :]
        if script.stall_after is not None and _comes(script.stall_after - said, len(deltas), prompt):
            turn.ending = "stall"
            del deltas[script.stall_after - said :]
        if script.fault is not None and script.fault_at - said <= len(deltas):
            turn.failure, left = script.fault_failure(said), max(0, script.fault_at - said)
            # Beyond the fault a connection is a new one, which meets nothing but a server that is down.
            if said < script.fault_at or not prompt.prefix or script.fault in DOWN:
                turn.ending = "stall" if script.fault == "silence" else "fail"
                del deltas[left:]
        if not prompt.prefix:
            turn.pieces += [(Reasoning, word) for word in generated_words(script.seed + 1, script.reasoning)]
        turn.pieces += [(Text, delta) for delta in deltas]
        return turn


def drawn(seed: int) -> bytes:
    """A small picture of one colour; another seed, another one."""
    row = b"\0" + bytes((seed * 83 % 256, seed * 151 % 256, seed * 211 % 256)) * 32
    head = b"\0\0\0\x20\0\0\0\x20\x08\2\0\0\0"
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row * 32, 9)), (b"IEND", b""))
    made = b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + made


def _comes(after: int, length: int, prompt: Prompt) -> bool:
    """Whether a break is in this reply, and not where each continuation would only meet it again."""
    return (after > 0 or not prompt.prefix) and after <= length


def _last_user_message(prompt: Prompt) -> str:
    for message in reversed(prompt.messages):
        if message.get("role") == "user":
            content = message.get("content") or ""
            if isinstance(content, str):
                return content
            return "".join(part.get("text") or "" for part in content if part.get("type") == "text")
    return ""


def _words(prompt: Prompt) -> int:
    return sum(len(str(message.get("content") or "").split()) for message in prompt.messages)


def _tool_call() -> Sequence[Delta]:
    ts = now_ms()
    return [
        ToolCall(ts, 0, id="call_1", name="read_level"),
        ToolCall(ts, 0, arguments='{"gate":'),
        ToolCall(ts, 0, arguments=' "upper"}'),
    ]
