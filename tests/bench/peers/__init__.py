"""
What people build without Headrace: a process that passes an upstream's stream through.

Each is the shortest honest form of its kind, with the fastest server settings its makers recommend.
None of them can resume, fail over or stop from elsewhere; they are the price of the delta alone.
"""

import argparse


def options(what: str) -> tuple[int, str]:
    """The port to listen on and the upstream's base URL, from the command line."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parsed = parser.parse_args()
    return parsed.port, parsed.upstream


def question(message: str) -> dict[str, object]:
    """What all of them ask the upstream for."""
    return {"model": "fake", "stream": True, "messages": [{"role": "user", "content": message}]}
