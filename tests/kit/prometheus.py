"""Debian's Prometheus as a process of the test's own, with our rules, over gateways and workers."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession

from tests.kit import debian
from tests.kit.eventually import eventually
from tests.kit.program import free_port
from tests.kit.promtool import RULES

#: How often it scrapes and evaluates.
EVERY_S = 0.5


class Prometheus:
    """Scrapes the ports that *jobs* name. `skip` where it cannot be had: see `tests/kit/debian.py`."""

    def __init__(
        self,
        folder: Path,
        jobs: Mapping[str, Sequence[int]],
        http: ClientSession,
        *,
        hold: str | None = None,
    ) -> None:
        """With *hold*, alerts fire once they have held for so long, whatever their rules say."""
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder, self._http = folder, http
        self._targets = sum(map(len, jobs.values()))
        self._log = folder / "prometheus.log"
        self._process: subprocess.Popen[bytes] | None = None
        rules = RULES
        if hold is not None:
            rules = folder / RULES.name
            rules.write_text(re.sub(r"(?m)^( +for:) \w+$", rf"\1 {hold}", RULES.read_text()))
        every = f"{int(EVERY_S * 1000)}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
                for job, ports in jobs.items()
            ],
        }
        (folder / "prometheus.json").write_text(json.dumps(config))

    async def __aenter__(self) -> Self:
        self._start()
        await eventually(self._is_ready, self._log.read_text, 20)
        return self

    def _start(self) -> None:
        program = debian.program("prometheus")
        assert program is not None
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={self._folder / 'prometheus.json'}",
                    f"--storage.tsdb.path={self._folder / 'tsdb'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def scrapes_all(self) -> None:
        """Returns once it has scraped every target: it begins some seconds after it is ready."""

        async def done() -> bool:
            up = await self.now("sum(up)")
            return bool(up) and float(up[0]["value"][1]) == self._targets

        await eventually(done, "all are scraped", 30)

    async def now(self, expr: str) -> list[dict[str, Any]]:
        """What *expr* is at this moment: each `metric` with its `value`. Fails for one that is none."""
        result = await self._ask("query", {"query": expr})
        assert isinstance(result, list)
        return result

    async def over(self, expr: str, began: float, ended: float, step_s: float = 1) -> list[dict[str, Any]]:
        """What *expr* was between two times since the epoch: each `metric` with its `values`."""
        times = {"start": began, "end": ended, "step": step_s}
        result: list[dict[str, Any]] = await self._ask("query_range", {"query": expr, **times})
        return result

    async def firing(self, state: str = ".*") -> set[str]:
        """The names of the alerts that are `firing`, or `pending`, or either."""
        found = await self.now(f'ALERTS{{alertstate=~"{state}"}}')
        return {sample["metric"]["alertname"] for sample in found}

    async def _ask(self, what: str, parameters: Mapping[str, Any]) -> Any:
        async with self._http.get(f"{self.url}/api/v1/{what}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]["result"]

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            async with self._http.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except OSError:
            return False
