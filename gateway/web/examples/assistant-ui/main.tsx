import { AssistantRuntimeProvider, ComposerPrimitive, MessagePrimitive, ThreadPrimitive } from '@assistant-ui/react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useHeadraceRuntime } from './runtime.ts';

const baseUrl = new URLSearchParams(location.search).get('headrace') ?? 'http://127.0.0.1:8000';

/** The conversation's id is in the address, so that a reload comes back to it. */
function conversationId(): string {
  if (!location.hash) location.hash = `conv-${Date.now().toString(36)}`;
  return location.hash.slice(1);
}

function Message() {
  return (
    <MessagePrimitive.Root>
      <MessagePrimitive.Parts />
    </MessagePrimitive.Root>
  );
}

function Chat() {
  const [id] = useState(conversationId);
  const runtime = useHeadraceRuntime({ baseUrl, conversationId: id });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Messages components={{ Message }} />
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input aria-label="Message" />
          <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
          <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Chat />
    </StrictMode>,
  );
}
