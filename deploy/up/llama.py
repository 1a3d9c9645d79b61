"""The server of an embedded model: llama.cpp's own, on loopback alone."""

import argparse
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from deploy.up.embedded import NAME

#: Requests it answers at once; more wait in llama.cpp's own queue.
SLOTS = 4
CONTEXT_TOKENS_PER_SLOT = 4096


def is_installed() -> bool:
    """Whether the optional package this needs is there."""
    return find_spec("xllamacpp") is not None


def serve(model: Path, port: int, template: str | None = None) -> None:
    """
    Listen on loopback until SIGTERM or SIGINT.

    *template* is the Jinja template that turns a conversation into text; else the file's own.
    """
    stopping = {signal.SIGTERM, signal.SIGINT}
    # Before llama.cpp starts its threads, which inherit this: only sigwait below may take the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    # Read as the library is loaded. Its threads wait for each other hundreds of times a token: where they
    # spin meanwhile, whatever else wants the CPU makes each token take seconds.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    # llama.cpp divides this among the slots.
    params.n_ctx = SLOTS * CONTEXT_TOKENS_PER_SLOT
    params.cpuparams.n_threads = os.cpu_count() or 1
    params.use_jinja = True
    if template is not None:
        params.chat_template = template
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
    """`python -m deploy.up.llama --file MODEL.gguf --port 8081`"""
    parser = argparse.ArgumentParser(prog="python -m deploy.up.llama", description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--template", type=Path, help="a Jinja file; else the model file's own")
    arguments = parser.parse_args()
    try:
        template = arguments.template.read_text() if arguments.template else None
        serve(arguments.file, arguments.port, template)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.exit(f"headrace model: {error}")


if __name__ == "__main__":
    main()
