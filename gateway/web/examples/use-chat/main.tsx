import { useChat } from '@ai-sdk/react';
import { type FormEvent, StrictMode, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { HeadraceTransport } from './transport.ts';

const baseUrl = new URLSearchParams(location.search).get('headrace') ?? 'http://127.0.0.1:8000';

/** The chat's id is in the address, so that a reload comes back to it. */
function chatId(): string {
  if (!location.hash) location.hash = `chat-${Date.now().toString(36)}`;
  return location.hash.slice(1);
}

function Chat() {
  const [id] = useState(chatId);
  const transport = useMemo(() => new HeadraceTransport({ baseUrl }), []);
  const { messages, sendMessage, status, stop } = useChat({ id, transport, resume: true });
  const [text, setText] = useState('');
  const isStreaming = status === 'submitted' || status === 'streaming';
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    void sendMessage({ text });
    setText('');
  };
  const halt = () => {
    void transport.stop(id);
    void stop();
  };
  return (
    <main>
      {messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
        </article>
      ))}
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        {isStreaming ? (
          <button key="stop" type="button" onClick={halt}>
            Stop
          </button>
        ) : (
          <button key="send" type="submit">
            Send
          </button>
        )}
      </form>
      <output>{status}</output>
    </main>
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
