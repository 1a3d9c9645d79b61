"""Pictures and text files go with a message, and pictures come with a reply."""

from playwright.async_api import FilePayload, Page, expect

from tests.browser import axe
from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor, refused
from tests.e2e.system import System
from tests.kit.chat_client import ChatClient, script
from worker.backends.scripted import drawn

#: A name that would be markup, were it not a name.
NAME = "<img src=x onerror=alert(1)>.png"
PICTURE = FilePayload(name=NAME, mimeType="image/png", buffer=drawn(1))
NOTES = FilePayload(name="notes.svg", mimeType="image/svg+xml", buffer=b'<svg onload="alert(1)"/>')
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
#: As a drop or a paste brings it.
_DELIVER = """([kind, bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'}));
  const box = document.querySelector('#message');
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})
    : new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
  (kind === 'paste' ? box : document.querySelector('.scroll-view')).dispatchEvent(event);
}"""


async def choose(page: Page, button: str, *files: FilePayload) -> None:
    """Attach *files* by the *button*, and the keyboard."""
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name=button).press("Enter")
    await (await chooser.value).set_files(files)


async def test_by_button(arrive: Arrive, api: ChatClient) -> None:
    """Chosen by keyboard, previewed, taken away again, sent; shown again after a reload. In Chinese."""
    chat = await (await arrive(locale="zh-CN", **PHONE)).open()
    page = chat.page
    await choose(page, "添加图片或文本文件", PICTURE, NOTES)
    items = page.get_by_role("list", name="附件").get_by_role("listitem")
    await expect(items).to_have_count(2)
    await expect(items.first).to_have_attribute("aria-busy", "false")
    await expect(items.first).to_contain_text(NAME)
    assert await axe.violations(chat) == []
    await items.nth(1).get_by_role("button").press("Enter")
    await expect(items).to_have_count(1)
    await page.locator("#message").fill(script(length=2))
    await page.locator("button[type=submit]").click()
    await expect(items).to_have_count(0)
    for _ in range(2):
        image = chat.questions.last.locator("img")
        await expect(image).to_have_attribute("alt", NAME)
        assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
        assert await axe.violations(chat) == []
        await expect(chat.reply).to_have_attribute("aria-busy", "false")
        await chat.reload()
    [part] = (await api.conversation(chat.conversation_id))["messages"][0]["parts"]
    assert part["name"] == NAME.rpartition("/")[2]


async def test_of_a_draft(visitor: Visitor, api: ChatClient) -> None:
    """They wait with the text that they were chosen for, over another chat and a reload."""
    chat = await visitor.open()
    page = chat.page
    await chat.ask(script(length=2))
    await page.locator("#message").fill(script(length=3))
    await page.evaluate(_DELIVER, ["paste", list(drawn(1)), "mill.png"])
    items = page.get_by_role("list", name="Attached").get_by_role("listitem")
    await expect(items.first).to_have_attribute("aria-busy", "false")
    where = page.url
    await page.get_by_role("button", name="New chat").first.click()
    await expect(items).to_have_count(0)
    await chat.goto(where.removeprefix(visitor.url))
    await expect(items).to_contain_text(["mill.png"])
    await chat.reload()
    await expect(items).to_contain_text(["mill.png"])
    await page.locator("button[type=submit]").click()
    await expect(chat.questions.last.locator("img")).to_have_attribute("alt", "mill.png")
    await expect(items).to_have_count(0)
    await chat.reload()
    await expect(items).to_have_count(0)


async def test_dropped_and_pasted(visitor: Visitor, system: System, api: ChatClient) -> None:
    """The model gets the bytes; what is regenerated or edited keeps them."""
    chat = await visitor.open()
    page = chat.page
    await chat.choose_model("upstream")
    for number, kind in enumerate(("drop", "paste")):
        await page.evaluate(_DELIVER, [kind, list(drawn(number)), f"{kind}.png"])
    items = page.get_by_role("list", name="Attached").get_by_role("listitem")
    await expect(items).to_have_count(2)
    await chat.send_button.click()
    await chat.whole()
    await chat.reply.get_by_role("button", name="Regenerate").click()
    await expect(chat.reply.get_by_text("2/2")).to_be_visible()
    await chat.whole()
    asked = (await system.asked(api._session))[-2:]
    for request in asked:
        kinds = [part["type"] for part in request["body"]["messages"][-1]["content"]]
        assert kinds == ["image_url", "image_url"]


async def test_refused(visitor: Visitor) -> None:
    """What is no picture and no text, or one too many, says so, and is in the way until it is taken away."""
    visitor.expect("415")
    chat = await visitor.open()
    page = chat.page
    await chat.box.fill("Hello")
    bad = FilePayload(name="a.pdf", mimeType="application/pdf", buffer=b"%PDF\0\xff")
    await choose(page, "Attach pictures or text files", bad)
    item = page.get_by_role("list", name="Attached").get_by_role("listitem")
    await expect(item.get_by_role("alert")).to_have_text("Only pictures and text files can be sent.")
    await expect(chat.send_button).to_be_disabled()
    await item.get_by_role("button", name="Remove a.pdf").click()
    await expect(chat.send_button).to_be_enabled()
    await expect(chat.box).to_have_value("Hello")
    many = [FilePayload(name=f"\u202e{n}.txt", mimeType="text/plain", buffer=b"a") for n in range(22)]
    await page.locator(".composer input[type=file]").set_input_files(many)
    await expect(item).to_have_count(21)
    await expect(item.last).to_contain_text("20.txt, 21.txt")
    await expect(item.last.get_by_role("alert")).to_have_text(
        "Not attached: at most 20 can go with one message."
    )
    await expect(chat.send_button).to_be_disabled()
    assert "\u202e" not in (await item.first.text_content() or "")
    assert await axe.violations(chat) == []


async def test_pictures_of_a_reply(visitor: Visitor) -> None:
    """Shown as they come, and after a reload; what is not to be had now is not said to be gone."""
    chat = await visitor.open()
    await chat.ask(script(length=3, pictures=2))
    for _ in range(2):
        await expect(chat.reply.locator("img")).to_have_count(2)
        assert await axe.violations(chat) == []
        async with chat.page.expect_download() as download:
            await chat.reply.get_by_role("button", name="Save").first.click()
        assert (await (await download.value).path()).read_bytes() == drawn(0)
        await chat.reload()
    visitor.expect("503|404")
    for status, words in ((503, "could not be loaded"), (404, "is no longer kept")):
        await chat.page.route("**/api/blobs/*", refused(status))
        await chat.reload()
        await expect(chat.reply.get_by_text(words)).to_have_count(2)
        await chat.page.unroute_all()
        if status == 503:
            await chat.reply.get_by_role("button", name="Try again").first.click()
            await expect(chat.reply.locator("img")).to_have_count(1)
