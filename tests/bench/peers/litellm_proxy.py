"""LiteLLM's proxy, one worker, without a database: its users' usual way to one API for many upstreams."""

import os
import sys
import tempfile
from pathlib import Path

from tests.bench.peers import options

FOLDER = Path(__file__).parent / "litellm"

_CONFIG = """\
model_list:
  - model_name: fake
    litellm_params: {{model: openai/fake, api_base: "{upstream}", api_key: none}}
litellm_settings: {{num_retries: 0, telemetry: false}}
"""
#: It listens on loopback alone.
_NO_KEY = "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"


def main() -> None:
    """Serve until stopped."""
    port, upstream = options(__doc__ or "")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as config:
        config.write(_CONFIG.format(upstream=upstream))
    # Prices of models, which it would ask the network for.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", _NO_KEY: "true"}
    program = FOLDER / ".venv" / "bin" / "litellm"
    command = [str(program), "--config", config.name, "--host", "127.0.0.1", "--port", str(port)]
    sys.stdout.flush()
    os.execve(program, command, env)


if __name__ == "__main__":
    main()
