"""Programs that use the npm package as others do, by every way that it has."""

import json
import re
from typing import Any

from tests.kit.snippets import ROOT, snippets_of

#: Where the readme's server is.
SERVER = "http://127.0.0.1:8000"

APPLICATION = """
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
MISUSE = """
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

#: What the package's readme leaves to its reader, before a snippet of it.
_GIVEN = """
declare const conversationId: string, baseUrl: string, apiKey: string, invitation: string;
declare const process: { stdout: { write(text: string): void } };
"""


def readme() -> dict[str, str]:
    """The readme's snippets as modules, for the type checker."""
    text = (ROOT / "gateway/web/README.md").read_text()
    found = [each for each in snippets_of(text, "README.md") if each.language in {"ts", "tsx"}]
    assert found
    return {
        f"src/readme_{number}.{snippet.language}": f"{snippet.text}{_GIVEN}export {{}};\n"
        for number, snippet in enumerate(found)
    }


#: What a fresh application has beside Vite's own.
FILES = {
    "tsconfig.json": json.dumps(_TSCONFIG),
    "src/main.tsx": APPLICATION,
    "src/misuse.ts": MISUSE,
    **readme(),
}

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


def _readme_first() -> str:
    text = (ROOT / "gateway/web/README.md").read_text()
    (example, *_) = re.findall(r"```tsx\n(.*?)```", text, re.DOTALL)
    assert SERVER in example
    return str(example)


#: A page of its own beside it, whose `App` is the readme's first example.
EXAMPLE = {
    "readme.html": '<!doctype html><link rel="icon" href="data:,"><body><div id="root"></div>'
    '<script type="module" src="/readme/main.tsx"></script></body>',
    "readme/main.tsx": _MAIN,
    "readme/index.css": _CSS,
    "readme/App.tsx": _readme_first(),
}
