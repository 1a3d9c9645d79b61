"""A package registry with one package, for npm to install, to audit, or to be told that it has no audit."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PACKAGE = "weir"
_VERSION = "1.0.0"
#: What a weakness may be; each has an id of its own, by which npm keeps what it knows.
_SEVERITIES = ("", "low", "moderate", "high", "critical")


class Registry:
    """`severity` is of the one weakness it knows of, '' for none; without an audit it says 405."""

    def __init__(self) -> None:
        self.severity = ""
        self.has_audit = True
        self.url = ""
        self.audits = 0
        self._tarball = _tarball()

    @property
    def locked(self) -> dict[str, Any]:
        """The package's entry in a lock."""
        return {"version": _VERSION, "integrity": _integrity(self._tarball), "dev": True}

    @contextmanager
    def open(self) -> Iterator[None]:
        """It can be asked at `url`."""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, registry._tarball if self.path.endswith(".tgz") else registry._packument())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                registry.audits += 1
                if not registry.has_audit or not self.path.endswith("/advisories/bulk"):
                    return self._answer(405, b"{}")
                assert PACKAGE in json.loads(body)
                self._answer(200, registry._advisories())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def _packument(self) -> bytes:
        dist = {"tarball": f"{self.url}/{PACKAGE}/-/w.tgz", "integrity": _integrity(self._tarball)}
        versions = {_VERSION: {"name": PACKAGE, "version": _VERSION, "dist": dist}}
        return json.dumps({"name": PACKAGE, "versions": versions, "dist-tags": {"latest": _VERSION}}).encode()

    def _advisories(self) -> bytes:
        known = {
            "id": _SEVERITIES.index(self.severity),
            "url": "https://example.test/1",
            "title": "It leaks",
            "severity": self.severity,
            "vulnerable_versions": "<2.0.0",
            "cwe": [],
            "cvss": {"score": 9, "vectorString": None},
        }
        return json.dumps({PACKAGE: [known]} if self.severity else {}).encode()


def _tarball() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        content = json.dumps({"name": PACKAGE, "version": _VERSION}).encode()
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
