"""The proxies of `deploy/proxies`, as Debian has them, in front of gateways of a test."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.kit import debian
from tests.kit.chat_client import ChatClient
from tests.kit.http2 import Http2
from tests.kit.program import free_port
from tests.kit.reader import Reader

FOLDER = Path(__file__).parents[2] / "deploy" / "proxies"
FILES = {"caddy": "Caddyfile", "haproxy": "haproxy.cfg", "nginx": "nginx.conf"}
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0

_NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr notice;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Proxy:
    """
    One that runs the file that is shipped, but for its addresses, its certificate (`server.crt` of
    *certificates*, signed by `ca.crt`), and what *instead* says.

    Every text that is replaced has to be there, so the file cannot drift away from its test.
    """

    def __init__(
        self, name: str, folder: Path, certificates: Path, instead: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.port, self.plain_port = name, free_port(), free_port()
        self._folder, self._certificates, self._instead = folder, certificates, dict(instead or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://localhost:{self.port}"

    @asynccontextmanager
    async def http2(self, source: str | None = None) -> AsyncIterator[tuple[Http2, ChatClient]]:
        """A connection of HTTP/2 to it, and the native API over that."""
        async with Http2(self.port, self._certificates / "ca.crt", source) as connection:
            yield connection, ChatClient(cast(ClientSession, connection), self.url)

    async def post(self, path: str, body: bytes) -> asyncio.StreamWriter:
        """A connection of HTTP/1.1 that has sent a request; closing its transport is hanging up."""
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self._trusting(), server_hostname="localhost"
        )
        head = f"POST {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return writer

    @asynccontextmanager
    async def http1(self) -> AsyncIterator[ClientSession]:
        """A client of HTTP/1.1 that knows who has signed its certificate."""
        async with ClientSession(connector=TCPConnector(limit=0, ssl=self._trusting())) as session:
            yield session

    @property
    def log(self) -> str:
        """What it has said."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self, gateways: tuple[int, int]) -> None:
        """In front of the gateways at these ports; returns once it listens. Skips the test without it."""
        program = debian.program(self.name)
        if program is None:
            pytest.skip(f"needs {self.name}: python -m tests.kit.debian")
        self._folder.mkdir()
        ours = {"127.0.0.1:8000": f"127.0.0.1:{gateways[0]}", "127.0.0.1:8001": f"127.0.0.1:{gateways[1]}"}
        arguments = getattr(self, f"_{self.name}")({**ours, **self._instead})
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._folder), "LD_LIBRARY_PATH": debian.libraries()},
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"{self.name} does not listen: {self.log[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it with all that it has open."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._certificates / "ca.crt")

    def _nginx(self, instead: dict[str, str]) -> list[str]:
        certificates = self._certificates
        instead |= {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "server_name chat.example.org": "server_name localhost",
            "/etc/ssl/headrace/fullchain.pem": f"{certificates}/server.crt",
            "/etc/ssl/headrace/privkey.pem": f"{certificates}/server.key",
        }
        self._write("site.conf", instead)
        user = "user root;" if os.getuid() == 0 else ""
        (self._folder / "nginx.conf").write_text(_NGINX.format(folder=self._folder, user=user))
        return ["-c", f"{self._folder}/nginx.conf", "-p", f"{self._folder}", "-e", "stderr"]

    def _haproxy(self, instead: dict[str, str]) -> list[str]:
        certificates = self._certificates
        combined = self._folder / "combined.pem"
        combined.write_text(
            (certificates / "server.crt").read_text() + (certificates / "server.key").read_text()
        )
        instead |= {
            # More files than a test may open.
            "maxconn 20000": "maxconn 2000",
            "bind :80": f"bind 127.0.0.1:{self.plain_port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/ssl/headrace/combined.pem": str(combined),
        }
        return ["-db", "-f", str(self._write("haproxy.cfg", instead))]

    def _caddy(self, instead: dict[str, str]) -> list[str]:
        certificates = self._certificates
        options = f"{{\n\tadmin off\n\thttp_port {self.plain_port}\n\tskip_install_trust\n}}\n"
        certificate = f"\tbind 127.0.0.1\n\ttls {certificates}/server.crt {certificates}/server.key\n"
        instead |= {
            "{$HEADRACE_SITE:chat.example.org} {\n": f"{options}localhost:{self.port} {{\n{certificate}"
        }
        return ["run", "--adapter", "caddyfile", "--config", str(self._write("Caddyfile", instead))]

    def _write(self, name: str, instead: Mapping[str, str]) -> Path:
        text = (FOLDER / FILES[self.name]).read_text()
        for shipped, ours in instead.items():
            assert shipped in text, f"{FILES[self.name]} has no {shipped!r} any more"
            text = text.replace(shipped, ours)
        path = self._folder / name
        path.write_text(text)
        return path

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


async def whole(chat: ChatClient, reader: Reader) -> str:
    """A reply's text, its stream resumed as often as needed."""
    text, generation_id, last = "", reader.generation_id, None
    while True:
        await reader.all()
        text += reader.text
        if reader.frames and reader.frames[-1].type == "end":
            return text
        # A stream that ended before it said anything has no place of its own.
        last = reader.last_id or last
        reader = await chat.resume(generation_id, last)
        while reader.status in {502, 503}:
            await asyncio.sleep(0.1)
            reader = await chat.resume(generation_id, last)
