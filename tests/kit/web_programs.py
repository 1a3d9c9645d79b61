"""Programs that use the npm package as others do, by every way that it has."""

import json
from typing import Any

from tests.kit.snippets import ROOT, snippets_of

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
