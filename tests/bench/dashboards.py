"""
`python -m tests.bench.dashboards`: each dashboard of deploy/grafana as a picture, from a busy system's data.

So that one can see what they show without Grafana.
"""

import argparse
import asyncio


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--streams", type=int, default=24)
    asked = parser.parse_args()
    # Here, because forks of the system's processes import this module, and need none of what draws.
    from tests.bench.drawn import draw

    asyncio.run(draw(asked.seconds, asked.streams))


if __name__ == "__main__":
    main()
