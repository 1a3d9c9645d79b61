"""The transports in `gateway/web/examples`, built and driven: what breaks is resumed, and stopping stops."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from deploy.page import node
from deploy.page.page import WEB
from tests.browser.conftest import Arrive
from tests.browser.visitor import GONE
from tests.e2e.system import System
from tests.kit import node_clients
from tests.kit.chat_client import ChatClient, script
from tests.kit.eventually import eventually
from worker.backends.script import expected_text

EXAMPLES = ("use-chat", "assistant-ui")
#: Two builds, and a gateway that dies under each.
pytestmark = [pytest.mark.timeout(200), pytest.mark.long]

_THEIRS = node_clients.FOLDER / "node_modules"
_CONFIG = """
import {{ alias }} from {config};
const theirs = {theirs}, web = {web};
export default {{
  root: {root},
  base: './',
  resolve: {{
    alias: [
      ...alias,
      {{ find: /^headrace\\/react$/, replacement: web + '/react/useStreamingChat.ts' }},
      {{ find: /^headrace$/, replacement: web + '/client/index.ts' }},
      {{ find: /^(react|react-dom)(\\/.*)?$/, replacement: web + '/node_modules/$1$2' }},
      {{ find: /^(ai|@ai-sdk\\/react|@assistant-ui\\/react)$/, replacement: theirs + '/$1' }},
    ],
  }},
  build: {{ outDir: {out}, emptyOutDir: true, minify: false }},
}};
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Each, with the packages that the tests' lock names."""
    node_clients.install()
    node.install(WEB)
    found = {}
    for name in EXAMPLES:
        folder = tmp_path_factory.mktemp(name)
        paths = {"root": WEB / "examples" / name, "out": folder / "dist", "theirs": _THEIRS, "web": WEB}
        paths["config"] = WEB / "vite.config.ts"
        config = WEB / f".example-{name}.mjs"
        config.write_text(_CONFIG.format(**{key: json.dumps(str(path)) for key, path in paths.items()}))
        try:
            done = node.npm(WEB, "exec", "--", "vite", "build", "--config", str(config), timeout_s=120)
            node.check(done, f"vite build of {name}")
        finally:
            config.unlink()
        found[name] = folder / "dist"
    yield found
    for dist in found.values():
        shutil.rmtree(dist)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example(
    arrive: Arrive,
    system: System,
    api: ChatClient,
    app_port: int,
    app_server: dict[str, Path],
    built: dict[str, Path],
    name: str,
) -> None:
    """A reload and a gateway's death cost nothing of a reply; Stop stops it for everybody."""
    visitor = await arrive()
    visitor.expect(GONE)
    visitor.expect("status of (404|5\\d\\d)|Failed to fetch")
    page = await visitor.context.new_page()
    app_server[name] = built[name]
    await page.goto(f"http://127.0.0.1:{app_port}/{name}/?headrace={system.url}#c-{name}")
    box = page.get_by_role("textbox", name="Message")
    await box.fill(script(length=80, rate=20))
    await page.get_by_role("button", name="Send").click()
    whole = expected_text({"length": 80}).split()
    await expect(page.locator("#root")).to_contain_text(" ".join(whole[:8]))
    await page.reload()
    await expect(page.locator("#root")).to_contain_text(" ".join(whole[:20]))
    system.kill_all("gateway")
    await expect(page.locator("#root")).to_contain_text(" ".join(whole), timeout=30_000)
    assert (await page.locator("#root").inner_text()).count(" ".join(whole[:8])) == 1
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await box.fill(script(length=900, rate=20, seed=5))
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#root")).to_contain_text(
        " ".join(expected_text({"length": 900, "seed": 5}).split()[:5])
    )
    await page.reload()
    await expect(page.locator("#root")).to_contain_text(
        " ".join(expected_text({"length": 900, "seed": 5}).split()[:5])
    )
    await page.get_by_role("button", name="Stop").click()

    async def is_stopped() -> bool:
        last = (await api.conversation(f"c-{name}"))["messages"][-1]
        return bool(last["role"] == "assistant" and last.get("state") == "cancelled")

    await eventually(is_stopped, "the reply is stopped")
