"""The npm package as others use it: installed as it is packed, with a chat like the page's."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from deploy.page import node
from tests.browser.chat_page import ChatPage
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit import web_app, web_programs
from tests.kit.chat_client import script
from tests.kit.eventually import eventually

#: Packages may have to be fetched first.
pytestmark = pytest.mark.timeout(300)

_LOOKS = """() => ['.composer', '.composer textarea', '.round-button', '.bubble', '.markdown',
    '.markdown table', '.markdown th', 'figure.code', '.message-actions .icon-button', '.facts'
].map(selector => {
  const style = getComputedStyle(document.querySelector(selector));
  const names = ['fontFamily', 'fontSize', 'color', 'backgroundColor', 'borderRadius', 'borderTopColor',
    'padding', 'margin', 'textAlign', 'display', 'lineHeight', 'boxShadow'];
  return [selector, ...names.map(name => style[name])].join(' | ');
})"""

_REPLY = "**Bold** and `code`\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```python\nprint(1)\n```\n"


def run(folder: Path, script: str) -> Any:
    """What a module in *folder* prints, as JSON."""
    command = [str(node.executable()), "--input-type=module", "--eval", script]
    done = subprocess.run(
        command, cwd=folder, env=node.environment(), capture_output=True, text=True, timeout=web_app.TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def app() -> Path:
    """A fresh Vite application that depends on it."""
    return web_app.made()


@pytest.fixture(scope="session")
def example(app: Path, shared_system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page whose `App` is the readme's first example, with the address of these tests' server."""
    folder = tmp_path_factory.mktemp("embedding") / "dist"
    shutil.copytree(app / "dist", folder)
    (folder / "readme.html").rename(folder / "index.html")
    calling = [path for path in folder.glob("assets/*.js") if web_programs.SERVER in path.read_text()]
    assert calling
    for path in calling:
        path.write_text(path.read_text().replace(web_programs.SERVER, shared_system.url))
    return folder


@pytest.fixture(scope="session")
def app_url(example: Path, app_port: int, app_server: dict[str, Path]) -> str:
    """Its address, from which it may call the gateways."""
    app_server[""] = example
    return f"http://127.0.0.1:{app_port}"


def test_holds_what_it_should(app: Path) -> None:
    """Code, types, one stylesheet and readme; no tests, no page."""
    (tarball,) = (app / "packed").glob("headrace-*.tgz")
    with tarfile.open(tarball) as packed:
        listed = set(packed.getnames())
    assert {"package/README.md", "package/package.json", "package/dist/lib/client/index.d.ts"} <= listed
    assert [name for name in listed if name.endswith(".css")] == ["package/dist/lib/styles.css"]
    assert not [name for name in listed if "test" in name or "/page/" in name]


def test_a_fresh_application(app: Path) -> None:
    """It type-checks strictly, misuse is an error, and it builds with one React."""
    scripts = [path.read_text() for path in (app / "dist" / "assets").glob("*.js")]
    assert any("/api/chat/stream" in script for script in scripts)
    assert (app / "dist" / "index.html").is_file()
    reacts = [path for path in app.glob("node_modules/**/react/package.json") if "@types" not in path.parts]
    assert len(reacts) == 1


def test_node_without_react(app: Path, tmp_path: Path) -> None:
    """In Node the client needs nothing but its parser."""
    folder = tmp_path / "node_modules"
    folder.mkdir()
    for name in ("headrace", "eventsource-parser"):
        (folder / name).symlink_to(app / "node_modules" / name)
    script = """
        import * as headrace from 'headrace';
        const error = await new headrace.HeadraceClient({ baseUrl: 'http://127.0.0.1:9', callMs: 200 })
          .models().catch((error) => error);
        console.log(JSON.stringify([Object.keys(headrace).sort(), error.name, error.code]));
    """
    names, kind, code = run(tmp_path, script)
    assert {"ChatSession", "HeadraceClient", "HeadraceError"} <= set(names)
    assert (kind, code) == ("HeadraceError", "unreachable")


async def test_the_readme_s_example(visitor: Visitor, system: System, app_url: str) -> None:
    """It streams, keeps its conversation over a reload, looks like the page, and begins a new one."""
    chat = await visitor.open(url=app_url)
    await chat.ask(script(text=_REPLY))
    await expect(chat.reply.get_by_role("table")).to_be_visible()
    await expect(chat.box).to_be_in_viewport(ratio=1)
    await chat.reload()
    await expect(chat.reply.get_by_role("table")).to_be_visible()
    await expect(chat.reply.locator("figure.code .line span").first).to_be_attached()
    await chat.page.locator("body").hover()
    page = await visitor.open(f"/c/{await conversation_id(chat)}")
    await page.box.blur()
    await expect(page.reply.locator("figure.code .line span").first).to_be_attached()

    async def looks_the_same() -> bool:
        # Colours and shadows take their time to what they are to be, after the mouse and the focus have left.
        theirs, ours = await chat.evaluate(_LOOKS), await page.evaluate(_LOOKS)
        different[:] = [each for each in zip(theirs, ours, strict=True) if each[0] != each[1]]
        return not different

    different: list[tuple[str, str]] = []
    await eventually(looks_the_same, lambda: f"both look the same: {different}")
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.questions).to_have_count(0)
    await chat.reload()
    await expect(chat.questions).to_have_count(0)


async def conversation_id(chat: ChatPage) -> str:
    """The one that the browser remembers."""
    return str(await chat.evaluate("Object.values(localStorage).find(each => each.startsWith('conv_'))"))


async def test_an_address_that_may_not_call(arrive: Any, app_url: str) -> None:
    """From a name that the server does not know it says what to set there, not that it is away."""
    visitor = await arrive(locale="zh-CN")
    visitor.expect("CORS|ERR_FAILED")
    chat: ChatPage = await visitor.open(url=app_url.replace("127.0.0.1", "localhost"))
    await chat.page.locator("#message").fill("Hello")
    await chat.page.get_by_role("button", name="发送").click()
    await expect(chat.failure).to_contain_text("此地址不能调用服务器")
    await expect(chat.failure).to_contain_text("HEADRACE_CORS_ORIGINS=http://localhost")
