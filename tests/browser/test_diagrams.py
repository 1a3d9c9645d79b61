"""Diagrams are drawn where nothing can be done, and shown as pictures; their source is one click away."""

from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.test_attachments import PHONE
from tests.browser.test_inert import _TRAPS
from tests.kit.chat_client import ChatClient, script

FLOW = "```mermaid\ngraph TD\n  A[Headrace] --> B[Mill]\n```\n"
#: What diagrams have been made to do elsewhere: scripts in labels, links, directives, styles that load.
HOSTILE = [
    'graph TD\n  A["<img src=x onerror=alert(1)>"] --> B["<script>alert(1)</script>"]\n',
    'graph TD\n  A --> B\n  click A "javascript:alert(1)" _self\n  click B call alert(1)\n',
    '%%{init: {"securityLevel": "loose", "htmlLabels": true, "themeCSS": "*{background:url(https://evil.example/x)}"}}%%\n'
    "graph TD\n  A[\"<iframe srcdoc='<script>alert(1)</script>'>\"]\n",
    '---\nconfig:\n  securityLevel: loose\n---\nsequenceDiagram\n  A->>B: <a href="javascript:a">x</a>\n',
    "graph TD\n  A --> B\n  style A fill:url(https://evil.example/x)\n",
]


async def test_a_diagram(arrive: Arrive, api: ChatClient) -> None:
    """
    Drawn once it is whole; the source opens by keyboard; what is no diagram is code. On a phone, in Chinese.
    """
    await api.ask(
        script(text=FLOW + "\n```mermaid\nno such diagram\n```\n", length=5_000), conversation_id="conv_x"
    )
    chat = await (await arrive(locale="zh-CN", **PHONE)).open("/c/conv_x")
    image = chat.reply.get_by_role("img", name="图表", exact=True)
    await expect(image).to_have_count(1, timeout=20_000)
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth > 50)")
    await expect(chat.reply.locator("figure.code")).to_have_count(1)
    await chat.reply.get_by_role("button", name="显示图表源码").press("Enter")
    await expect(chat.reply.locator("figure.code")).to_have_count(2)
    await expect(chat.reply.locator("figure.code").first).to_contain_text("A[Headrace]")
    assert await axe.violations(chat) == []


async def test_nothing_runs(arrive: Arrive, api: ChatClient) -> None:
    """Neither where it is drawn nor where it is shown; nothing is fetched. On a desk, in English."""
    said = "".join(f"```mermaid\n{each}```\n\n" for each in HOSTILE)
    await api.ask(script(text=FLOW + said, length=5_000), conversation_id="conv_x")
    visitor = await arrive(script=_TRAPS)
    # A frame that may do nothing says so when it is asked to.
    visitor.expect("Refused to|violates the following Content Security Policy")
    stopped: list[tuple[str, str | None]] = []
    visitor.context.on("requestfailed", lambda asked: stopped.append((asked.url, asked.failure)))
    chat = await visitor.open("/c/conv_x")
    done = chat.reply.locator(".diagram-picture, p.note")
    await expect(done).to_have_count(len(HOSTILE) + 1, timeout=45_000)
    for frame in chat.page.frames:
        assert await frame.evaluate("window.ran ?? []") == []
    # What a picture would have been painted with is asked for in the frame, and its policy stops that.
    assert visitor.foreign == [url for url, why in stopped if why == "csp"], stopped
    where = chat.page.locator("iframe.diagram-frame")
    assert await where.get_attribute("sandbox") == "allow-scripts"
    addresses = await chat.reply.locator(".diagram-picture").evaluate_all("all => all.map(each => each.src)")
    assert addresses and all(each.startswith("data:image/svg+xml") for each in addresses)
    await chat.reply.locator(".diagram-picture").nth(2).click()
    assert await chat.evaluate("window.ran") == []
    await chat.page.keyboard.press("Escape")
    await expect(chat.reply.get_by_role("img", name="Diagram", exact=True).first).to_be_visible()
    await chat.reply.get_by_role("button", name="Show the source of the diagram").first.press("Enter")
    await expect(chat.reply.locator("figure.code").first).to_contain_text("A[Headrace]")
    assert len(chat.page.context.pages) == 1
