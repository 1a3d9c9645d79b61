"""The chat page is served as it was built: to anyone, cached as long as may be, and locked down."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar
from aiohttp.pytest_plugin import AiohttpServer
from yarl import URL

from gateway.app import make_app
from gateway.pages import Pages
from shared import models
from tests.kit.local import Local
from tests.kit.stack import MODELS

_SCRIPT = b"export const greeting = 'hello';" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page as a build leaves it, and beside it what nobody may see."""
    page = tmp_path / "dist" / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>Headrace</title>")
    (page / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (page / "app.webmanifest").write_text("{}")
    (page / "theme.js").write_text("// first")
    (page / "assets" / "index-abc.js").write_bytes(_SCRIPT)
    (page / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(_SCRIPT))
    (page / "assets" / "index-abc.js.br").write_bytes(b"as brotli")
    (page / "assets" / "font-abc.woff2").write_bytes(b"font")
    (tmp_path / "dist" / "secret.txt").write_text("secret")
    (page / "secret.json").write_text("secret")
    return page


@pytest.fixture
async def url(local: Local, tmp_path: Path, built: Path, aiohttp_server: AiohttpServer) -> str:
    """A gateway with keys that shows that page."""
    toml = tmp_path / "page-models.toml"
    toml.write_text(MODELS)
    settings = local.settings(api_keys="secret")
    server = await aiohttp_server(make_app(settings, models.load(toml), Pages(built)), shutdown_timeout=0.1)
    return str(server.make_url("")).rstrip("/")


@pytest.fixture
async def browser() -> AsyncIterator[ClientSession]:
    """Says itself which encodings it takes."""
    async with ClientSession(
        cookie_jar=DummyCookieJar(), auto_decompress=False, skip_auto_headers=["Accept-Encoding"]
    ) as session:
        yield session


async def test_the_page(url: str, browser: ClientSession) -> None:
    """It is at `/` and at every conversation's address, for it finds its way by itself; no key is needed."""
    for path in ("/", "/c/conv_1", "/c/%E4%BD%A0%E5%A5%BD"):
        async with browser.get(url + path) as answer:
            assert answer.status == 200, path
            assert answer.content_type == "text/html"
            assert answer.headers["Cache-Control"] == "no-cache"
            assert "<title>Headrace</title>" in await answer.text()
            assert "X-Robots-Tag" not in answer.headers
    async with browser.get(f"{url}/s/share_1") as answer:
        assert (answer.status, answer.headers["X-Robots-Tag"]) == (200, "noindex, nofollow")
    async with browser.head(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with browser.get(f"{url}/api/conversations") as answer:
        assert answer.status == 401


async def test_what_the_page_may_do(url: str, browser: ClientSession) -> None:
    """No script but our files', no frame around it, no address told to others."""
    async with browser.get(url) as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "microphone=()" in answer.headers["Permissions-Policy"]


async def test_assets(url: str, browser: ClientSession) -> None:
    """What is named after its content is kept for ever, and asked for again only by its ETag."""
    async with browser.get(f"{url}/assets/index-abc.js") as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.read() == _SCRIPT
        tag = answer.headers["ETag"]
    async with browser.get(f"{url}/assets/index-abc.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with browser.get(f"{url}/assets/font-abc.woff2") as answer:
        assert answer.content_type == "font/woff2"


async def test_compressed(url: str, browser: ClientSession) -> None:
    """Whoever takes a smaller form gets it as it was built, each with an ETag of its own."""
    tags = set()
    for takes, encoding, length in (
        ("gzip, deflate, br", "br", len(b"as brotli")),
        ("gzip", "gzip", len(gzip.compress(_SCRIPT))),
        ("identity", None, len(_SCRIPT)),
    ):
        headers = {"Accept-Encoding": takes}
        async with browser.get(f"{url}/assets/index-abc.js", headers=headers) as answer:
            assert answer.headers.get("Content-Encoding") == encoding
            assert answer.content_type == "text/javascript"
            assert len(await answer.read()) == length == int(answer.headers["Content-Length"])
            tags.add(answer.headers["ETag"])
    assert len(tags) == 3


async def test_named_files(url: str, browser: ClientSession) -> None:
    """Icons, the manifest and early scripts lie beside the page; nothing else there is served."""
    for path, kind in (
        ("/favicon.svg", "image/svg+xml"),
        ("/app.webmanifest", "application/manifest+json"),
        ("/theme.js", "text/javascript"),
    ):
        async with browser.get(url + path) as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            assert answer.headers["Cache-Control"] == "no-cache"
    for path in (
        *(
            "/secret.json",
            "/robots.txt",
            "/assets/none.js",
            "/assets/",
            "/assets",
            "/index.html",
            "/c/",
            "/c",
        ),
        *("/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"),
        *(
            "/assets/..%2findex.html",
            "/assets/%2e%2e",
            "/assets/....//secret.txt",
            "/assets/..%5c..%5csecret.txt",
        ),
        *("/assets/index-abc.js%00.svg", "//etc/passwd.txt", "/assets/%2fetc%2fpasswd"),
    ):
        async with browser.get(URL(url + path, encoded=True)) as answer:
            assert answer.status == 404, path
            assert b"secret" not in await answer.read()


async def test_not_built(
    local: Local, tmp_path: Path, aiohttp_server: AiohttpServer, browser: ClientSession
) -> None:
    """Without a build the page's address says how to get one, and the API works."""
    toml = tmp_path / "page-models.toml"
    toml.write_text(MODELS)
    app = make_app(local.settings(), models.load(toml), Pages(tmp_path / "nothing"))
    url = (await aiohttp_server(app, shutdown_timeout=0.1)).make_url("")
    async with browser.get(url) as answer:
        assert (answer.status, answer.content_type) == (404, "text/plain")
        assert "make web" in await answer.text()
    async with browser.get(url / "api" / "heartbeat") as answer:
        beat = await answer.json()
        assert (beat["status"], beat["heartbeat_ms"], beat["max_message_chars"]) == ("ok", 15_000, 32_000)
