"""axe-core, which looks for what a reader with other senses would miss."""

from pathlib import Path
from typing import Any

from tests.browser.chat_page import ChatPage
from tests.kit import node_clients

_SOURCE = Path(node_clients.FOLDER) / "node_modules" / "axe-core" / "axe.min.js"

#: Colours on their way to others have no contrast of their own; what was asked for a moment ago sets out
#: within two frames. What moves for ever is not waited for.
_COME_TO_REST = """new Promise(requestAnimationFrame)
  .then(() => new Promise(requestAnimationFrame))
  .then(() => Promise.allSettled(document.getAnimations()
    .filter(({effect}) => effect.getComputedTiming().endTime < Infinity)
    .map(({finished}) => finished)))"""
#: Axe's rules about colours that it follows unasked.
COLOURS = ("color-contrast", "link-in-text-block")


async def violations(chat: ChatPage, rules: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with the page as it is now: rule, why, and where; by some of axe's rules, or all."""
    await chat.evaluate(_COME_TO_REST)
    if not await chat.evaluate("'axe' in window"):
        await chat.evaluate(_SOURCE.read_text())
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": [*rules]}
    found: Any = await chat.evaluate("options => axe.run(document, options)", options)
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes'][:3]]}"
        for violation in found["violations"]
    ]
