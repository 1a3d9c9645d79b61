"""Vercel's resumable-stream on Node, with a broker of its own, as `headrace up` starts ours."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.page import node
from deploy.up import valkey
from tests.bench.peers import options

FOLDER = Path(__file__).parent / "node"


def main() -> None:
    """Serve until stopped."""
    port, upstream = options(__doc__ or "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as data:
        socket = valkey.socket_path(Path(data))
        broker = subprocess.Popen(valkey.command(Path(data), socket), stdout=subprocess.DEVNULL)
        try:
            server = [str(node.executable()), "resumable_stream.mjs", str(port), upstream, str(socket)]
            subprocess.run(server, cwd=FOLDER, env=node.environment(), check=False)
        finally:
            broker.terminate()
            broker.wait()


if __name__ == "__main__":
    main()
