"""The house's rules that no other tool holds: who may import whom, and what a module may be called."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit import house

ROOT = Path(__file__).parents[1]
MEANINGLESS = {"base", "common", "helpers", "managers", "misc", "services", "util", "utils"}
#: Lines of a module. A noun that needs more is two nouns.
MOST_LINES = 320

Rule = Callable[[Path], list[str]]
Before = dict[Rule, list[str]]
RULES: list[Rule] = [house.wrong_arrows, house.circles, house.web_circles, house.foreign_privates]


def modules() -> Iterator[Path]:
    """Every module that is ours."""
    for name in house.HOUSES:
        yield from house.modules(ROOT, name)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_stands(rule: Rule) -> None:
    """No import runs back up or in a circle, and nobody touches privates of redis-py or aiohttp."""
    assert rule(ROOT) == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house's sources, to `plant` something in."""
    root = tmp_path_factory.mktemp("house")
    for source in (*modules(), *house.web_modules(ROOT)):
        target = root / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return root


@pytest.fixture(scope="module")
def before(copy: Path) -> Before:
    """What breaks a rule there while nothing is planted."""
    return {rule: rule(copy) for rule in RULES}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("shared/keys.py", "from worker.state import Tools"),
        ("worker/state.py", "    import gateway.app"),
        ("gateway/app.py", "from worker import process"),
        ("gateway/relay/live.py", "from gateway.edge.state import State"),
        ("gateway/relay/live.py", "import gateway.routes"),
        ("gateway/edge/sse.py", "from gateway.dialects.native import frames"),
        ("gateway/edge/sse.py", "from gateway import app"),
        ("gateway/edge/sse.py", "from gateway.rooms.room import Room"),
        ("gateway/dialects/openai/chat_frames.py", "from gateway.dialects.ai_sdk.frames import FRAMES"),
        ("gateway/dialects/native/frames.py", "from gateway.routes import ROUTES"),
        ("gateway/dialects/new/frames.py", "from gateway.dialects.native import frames"),
        ("gateway/rooms/room.py", "from gateway.dialects.native import frames"),
        ("gateway/speech/speech.py", "from gateway.rooms.room import Room"),
        ("gateway/app.py", "from gateway.dialects.native import frames"),
        ("gateway/app.py", "import gateway.speech.speech"),
        ("deploy/client/sse.py", "from shared import keys"),
        ("deploy/client/sse.py", "from deploy.up import ports"),
        ("deploy/client/sse.py", "from ..up import ports"),
        ("deploy/up/ports.py", "from headrace import HeadraceClient"),
        ("deploy/up/ports.py", "import deploy.page.node"),
        ("deploy/up/ports.py", "from gateway.process import main"),
        ("deploy/up/ports.py", "from . import llama"),
        ("deploy/page/node.py", "from deploy.cli import app"),
        ("deploy/cli.py", "from deploy.client.client import HeadraceClient"),
        ("deploy/programs.py", "from deploy.up import ports"),
        ("shared/keys.py", "from tests.kit import house"),
    ],
)
def test_a_wrong_arrow(copy: Path, before: Before, module: str, line: str) -> None:
    """An import against the house's direction is found, at whatever depth it stands."""
    with planted(copy / module, line):
        [found] = {*house.wrong_arrows(copy, copy / module)} - {*before[house.wrong_arrows]}
    assert found.startswith(module)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("gateway/dialects/new/frames.py", "from gateway.edge import sse"),
        ("gateway/routes.py", "from gateway.rooms import room"),
        ("gateway/speech/speech.py", "from gateway.relay.relay import Relay"),
        ("deploy/client/sse.py", "from .errors import HeadraceError"),
        ("deploy/cli.py", "from headrace.events import Chunk"),
        ("worker/state.py", "import deployment, gateways, redis"),
    ],
)
def test_a_right_arrow(copy: Path, before: Before, module: str, line: str) -> None:
    """What the house allows is not found."""
    with planted(copy / module, line):
        assert {*house.wrong_arrows(copy, copy / module)} <= {*before[house.wrong_arrows]}


@pytest.mark.parametrize(
    ("module", "line", "back"),
    [
        ("shared/keys.py", "from shared.conversations import Conversations", "shared/conversations.py"),
        ("shared/keys.py", "    from shared import conversations", "shared/conversations.py"),
        ("shared/keys.py", "import shared.conversations", "shared/conversations.py"),
        ("deploy/client/errors.py", "from .reply import Reply", "deploy/client/reply.py"),
        ("deploy/client/errors.py", "import headrace.reply", "deploy/client/reply.py"),
        ("worker/state.py", "import worker.state", "worker/state.py"),
    ],
)
def test_a_circle(copy: Path, before: Before, module: str, line: str, back: str) -> None:
    """Modules that import each other are found, if for their types alone, or inside a function."""
    with planted(copy / module, line):
        found = {*house.circles(copy)} - {*before[house.circles]}
    assert any(module in circle and back in circle for circle in found)


@pytest.mark.parametrize(
    "line",
    [
        "import type { Reply } from './reply.js'",
        "import {\n  Reply,\n} from './reply'",
        'export { Reply } from "./reply.ts"',
        "import './reply.js'",
        "const reply = () => import('./reply.js')",
        "export * from '../client/reply.js'",
    ],
)
def test_a_circle_in_the_web(copy: Path, before: Before, line: str) -> None:
    """TypeScript modules that import each other are found, in every way of importing; not in a comment."""
    errors = copy / "gateway/web/client/error.ts"
    with planted(errors, f"// {line.splitlines()[0]}"):
        assert house.web_circles(copy) == before[house.web_circles]
    with planted(errors, f"{line};"):
        found = {*house.web_circles(copy)} - {*before[house.web_circles]}
    assert any("client/error.ts" in circle for circle in found)


@pytest.mark.parametrize(
    "line",
    [
        "from redis._parsers.hiredis import NOT_ENOUGH_DATA",
        "from redis import _parsers",
        "import redis._compat",
        "from aiohttp.helpers import _private",
        "request._payload_writer",
        "self.redis._connection",
        'getattr(connection, "_parser")',
        "from redis.asyncio import Connection\nclass Ours(Connection):\n    def f(self): return self._parser",
        "import aiohttp\nclass Ours(aiohttp.ClientSession):\n    def f(self): super()._request()",
    ],
)
def test_a_private_name(copy: Path, before: Before, line: str) -> None:
    """Privates of redis-py and aiohttp are found everywhere but in the module that is for them."""
    private, auth = copy / "shared/redis_private.py", copy / "gateway/edge/auth.py"
    with planted(private, line):
        assert {*house.foreign_privates(copy, private)} <= {*before[house.foreign_privates]}
    with planted(auth, line):
        found = {*house.foreign_privates(copy, auth)} - {*before[house.foreign_privates]}
    assert found
    assert all(line.startswith("gateway/edge/auth.py") for line in found)


@contextmanager
def planted(module: Path, line: str) -> Iterator[None]:
    """*line* at the module's end, for a while; indented, inside a function."""
    module.parent.mkdir(parents=True, exist_ok=True)
    before = module.read_text() if module.exists() else None
    head = "def planted():\n" if line.startswith(" ") else ""
    module.write_text(f"{before or ''}\n{head}{line}\n")
    try:
        yield
    finally:
        if before is None:
            module.unlink()
        else:
            module.write_text(before)


def test_names() -> None:
    """No module or folder has a name that says nothing."""
    named = {part for module in modules() for part in (*module.parts[len(ROOT.parts) : -1], module.stem)}
    assert not named & MEANINGLESS


def test_sizes() -> None:
    """A module can be read in one sitting."""
    long = {
        str(m.relative_to(ROOT)): n for m in modules() if (n := len(m.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_docstrings() -> None:
    """Every module says what it owns."""
    assert not [str(module.relative_to(ROOT)) for module in modules() if not house.docstring(module)]


def test_nothing_is_unpickled() -> None:
    """Nothing read from Redis, or from anywhere, is ever unpickled."""
    assert not [str(module) for module in modules() if "pickle" in house.imported(module)]
