"""The chat inside somebody else's application, at another address: as the readme says, and as the page is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import expect

from deploy.page.page import WEB
from tests.browser.chat_page import ChatPage
from tests.browser.visitor import Visitor
from tests.e2e.system import System
from tests.kit import web_app
from tests.kit.chat_client import script

pytestmark = pytest.mark.timeout(300)

_MAIN = """
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './index.css'
import App from './App.tsx'

createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>)
"""

#: What a new application looks like before anybody has changed it.
_CSS = """
:root { font-family: Georgia, serif; line-height: 1.5; color: rgba(255, 255, 255, 0.87);
  background-color: #242424; text-align: center; }
a { font-weight: 500; color: #646cff; }
body { margin: 0; display: flex; place-items: center; min-width: 320px; min-height: 100vh; }
#root { max-width: 1280px; margin: 0 auto; text-align: center; }
h1, h2 { font-size: 3.2em; line-height: 1.1; }
p { margin: 2em; }
button { border-radius: 8px; border: 1px solid #f00; padding: 0.6em; font-size: 2em; background: #1a1a1a; }
textarea, input { background: #300; border: 3px solid #f00; }
"""

_LOOKS = """() => ['.composer', '.composer textarea', '.round-button', '.bubble', '.markdown',
    '.markdown table', '.markdown th', 'figure.code', '.message-actions .icon-button', '.facts'
].map(selector => {
  const style = getComputedStyle(document.querySelector(selector));
  const names = ['fontFamily', 'fontSize', 'color', 'backgroundColor', 'borderRadius', 'borderTopColor',
    'padding', 'margin', 'textAlign', 'display', 'lineHeight', 'boxShadow'];
  return [selector, ...names.map(name => style[name])].join(' | ');
})"""

_REPLY = "**Bold** and `code`\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```python\nprint(1)\n```\n"


@pytest.fixture(scope="session")
def app(shared_system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Vite application, built, whose `App` is the readme's first example."""
    (example, *_) = re.findall(r"```tsx\n(.*?)```", (WEB / "README.md").read_text(), re.DOTALL)
    assert "http://127.0.0.1:8000" in example
    files = {
        "src/main.tsx": _MAIN,
        "src/index.css": _CSS,
        "src/App.tsx": example.replace("http://127.0.0.1:8000", shared_system.url),
    }
    tarball = web_app.packed(tmp_path_factory.mktemp("packed"))
    folder = web_app.fresh(tmp_path_factory.mktemp("embedding"), tarball, files)
    web_app.npm(folder, "run", "build")
    return folder / "dist"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app_url(app: Path, app_port: int) -> AsyncIterator[str]:
    """Its address, from which it may call the gateways."""

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(app / "index.html")

    served = web.Application()
    served.router.add_get("/", index)
    served.router.add_static("/assets", app / "assets")
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", app_port).start()
    yield f"http://127.0.0.1:{app_port}"
    await runner.cleanup()


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
    embedded = await chat.evaluate(_LOOKS)
    page = await visitor.open(f"/c/{await conversation_id(chat)}")
    await page.box.blur()
    await expect(page.reply.locator("figure.code .line span").first).to_be_attached()
    assert await page.evaluate(_LOOKS) == embedded
    await chat.page.get_by_role("button", name="New chat").click()
    await expect(chat.questions).to_have_count(0)
    await chat.reload()
    await expect(chat.questions).to_have_count(0)


async def conversation_id(chat: ChatPage) -> str:
    """The one that the browser remembers."""
    return str(await chat.evaluate("Object.values(localStorage).find(each => each.startsWith('conv_'))"))


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-GB", ("Send", "This address may not call the server")),
        ("zh-CN", ("发送", "此地址不能调用服务器")),
    ],
)
async def test_an_address_that_may_not_call(
    arrive: Any, app_url: str, locale: str, words: tuple[str, str]
) -> None:
    """From a name that the server does not know it says what to set there, not that it is away."""
    visitor = await arrive(locale=locale)
    visitor.expect("CORS|ERR_FAILED")
    send, said = words
    chat: ChatPage = await visitor.open(url=app_url.replace("127.0.0.1", "localhost"))
    await chat.page.locator("#message").fill("Hello")
    await chat.page.get_by_role("button", name=send).click()
    await expect(chat.failure).to_contain_text(said)
    await expect(chat.failure).to_contain_text("HEADRACE_CORS_ORIGINS=http://localhost")
