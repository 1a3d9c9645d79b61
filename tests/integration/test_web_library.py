"""The npm package as others use it: an application that installs it as it is packed."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deploy.page import node
from tests.kit import web_app
from tests.kit.web_app import TIMEOUT_S, npm

#: Packages may have to be fetched first.
pytestmark = pytest.mark.timeout(300)

_APP = """
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { type ChatMessage, HeadraceClient, HeadraceError, type StreamEvent } from 'headrace';
import { Composer, Markdown, StreamingChat, Thread, useStreamingChat } from 'headrace/react';
import 'headrace/styles.css';

const client = new HeadraceClient({ baseUrl: 'http://127.0.0.1:8000' });

function lengthOf(event: StreamEvent): number {
  return event.type === 'chunk' ? event.text.length : 0;
}

async function count(signal: AbortSignal): Promise<number> {
  let length = 0;
  try {
    for await (const event of client.start({ message: 'hello' }, { signal })) length += lengthOf(event);
  } catch (error) {
    if (!(error instanceof HeadraceError && error.retryable)) throw error;
  }
  return length;
}

function Status() {
  const chat = useStreamingChat({ client });
  const { messages, isStreaming, sendMessage, stopStream } = chat;
  const last: ChatMessage | undefined = messages.at(-1);
  const act = () => void (isStreaming ? stopStream() : sendMessage('hello'));
  return (
    <>
      <button onClick={act}>{last?.state ?? 'new'}</button>
      <Markdown text="*new*" />
      <Thread chat={chat} />
      <Composer chat={chat} />
    </>
  );
}

createRoot(document.body).render(
  <StrictMode>
    <Status />
    <StreamingChat client={client} theme="dark" storageKey={null} />
    <button onClick={() => void count(new AbortController().signal)}>count</button>
  </StrictMode>,
);
"""

#: A call that its types forbid: without it, types that are all `any` would pass.
_MISUSE = """
import { HeadraceClient } from 'headrace';
// @ts-expect-error
new HeadraceClient({ baseUrl: 5 });
// @ts-expect-error
new HeadraceClient().start({ text: 'hello' });
"""

_TSCONFIG: dict[str, Any] = {
    "compilerOptions": {
        "target": "ES2022",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
        "module": "NodeNext",
        "moduleResolution": "NodeNext",
        "jsx": "react-jsx",
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noEmit": True,
        "types": [],
    },
    "include": ["src"],
}


def run(folder: Path, script: str) -> Any:
    """What a module in *folder* prints, as JSON."""
    command = [str(node.executable()), "--input-type=module", "--eval", script]
    done = subprocess.run(
        command, cwd=folder, env=node.environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as it would be published."""
    return web_app.packed(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def app(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Vite application that depends on it."""
    files = {"tsconfig.json": json.dumps(_TSCONFIG), "src/main.tsx": _APP, "src/misuse.ts": _MISUSE}
    return web_app.fresh(tmp_path_factory.mktemp("app"), tarball, files)


def test_holds_what_it_should(tarball: Path) -> None:
    """Code, types, one stylesheet and readme; no tests, no page."""
    with tarfile.open(tarball) as packed:
        listed = set(packed.getnames())
    assert {"package/README.md", "package/package.json", "package/dist/lib/client/index.d.ts"} <= listed
    assert [name for name in listed if name.endswith(".css")] == ["package/dist/lib/styles.css"]
    assert not [name for name in listed if "test" in name or "/page/" in name]


def test_a_fresh_application(app: Path) -> None:
    """It type-checks strictly, misuse is an error, and it builds with one React."""
    npm(app, "run", "check")
    npm(app, "run", "build")
    (script,) = (app / "dist" / "assets").glob("index-*.js")
    assert "/api/chat/stream" in script.read_text()
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
