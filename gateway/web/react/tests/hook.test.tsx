// @vitest-environment jsdom
import { act, StrictMode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ChatServer } from '../../client/tests/chat_server.js';
import { eventually } from '../../client/tests/eventually.js';
import { type StreamingChatOptions, type UseStreamingChat, useStreamingChat } from '../useStreamingChat.js';

let server: ChatServer;
let roots: Root[];
beforeEach(async () => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  server = await ChatServer.open();
  roots = [];
});
afterEach(async () => {
  for (const root of roots) await act(async () => root.unmount());
  document.body.replaceChildren();
  vi.restoreAllMocks();
  await server.close();
});

/** A page with a chat in it. */
function page(): { chat: UseStreamingChat; renders: number; show(options: StreamingChatOptions): Promise<void> } {
  const element = document.body.appendChild(document.createElement('div'));
  const root = createRoot(element);
  roots.push(root);
  const shown = { renders: 0, show } as ReturnType<typeof page>;
  function Chat(options: StreamingChatOptions) {
    shown.chat = useStreamingChat(options);
    shown.renders += 1;
    return null;
  }
  async function show(options: StreamingChatOptions) {
    await act(async () =>
      root.render(
        <StrictMode>
          <Chat baseUrl={server.url} {...options} />
        </StrictMode>,
      ),
    );
  }
  return shown;
}

/** As `eventually`, letting React work meanwhile. */
const shown = (predicate: () => boolean, why: string) => act(() => eventually(predicate, why));

const texts = ({ chat }: { chat: UseStreamingChat }) => chat.messages.map(({ content }) => content);

test('a message is sent, and its reply streamed and stopped', async () => {
  const one = page();
  await one.show({});
  const { sendMessage } = one.chat;
  let sent = Promise.resolve();
  await act(async () => {
    sent = one.chat.sendMessage('hello');
  });
  await shown(() => server.generations.size === 1, 'it arrives');
  server.latest.start().chunk('Once', ' upon');
  await shown(() => one.chat.streamingText === 'Once upon', 'the reply is shown');
  expect(one.chat.isStreaming).toBe(true);
  expect(one.chat.sendMessage).toBe(sendMessage);
  await act(() => one.chat.stopStream());
  await act(() => sent);
  expect(one.chat.isStreaming).toBe(false);
  expect(one.chat.messages.map(({ state }) => state)).toEqual(['done', 'cancelled']);
  expect(texts(one)).toEqual(['hello', 'Once upon']);
});

test('a new conversation that gets to know its id goes on as it is', async () => {
  const one = page();
  const ids: string[] = [];
  const onConversation = (id: string) => void ids.push(id);
  await one.show({ onConversation });
  await act(async () => void one.chat.sendMessage('hello'));
  await shown(() => ids.length === 1, 'it has an id');
  server.latest.start().chunk('Once');
  await shown(() => one.chat.streamingText === 'Once', 'the reply is shown');
  await one.show({ onConversation, conversationId: ids[0] });
  expect(one.chat.streamingText).toBe('Once');
  server.latest.end();
  await shown(() => !one.chat.isStreaming, 'it ends');
  expect(server.asked.filter(({ path }) => path.endsWith('/stream')).length).toBe(1);
});

test('a model that is chosen later answers the next message', async () => {
  server.answer = (generation) => generation.start().end();
  const one = page();
  for (const model of ['first', 'second']) {
    await one.show({ model });
    await act(() => one.chat.sendMessage('hello'));
  }
  const sent = server.asked.filter(({ path }) => path === '/api/chat/stream');
  expect(sent.map(({ body }) => body.model)).toEqual(['first', 'second']);
});

test('another conversation is another session, and nothing of the first is read any more', async () => {
  const first = server.submit({ conversation_id: 'c1', message: 'one' }).start().chunk('First');
  server.submit({ conversation_id: 'c2', message: 'two' }).start().chunk('Second').end();
  const one = page();
  await one.show({ conversationId: 'c1' });
  await shown(() => one.chat.streamingText === 'First', 'the first is shown');
  await one.show({ conversationId: 'c2' });
  await shown(() => texts(one).join() === 'two,Second', 'the second is shown');
  await shown(() => first.readers.size === 0, 'the first is left');
  await one.show({});
  expect(texts(one)).toEqual([]);
});

test('two pages of a browser show the same at once', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const [one, two] = [page(), page()];
  for (const each of [one, two]) await each.show({ conversationId: 'c1' });
  await shown(() => texts(one).length === 2 && texts(two).length === 2, 'both are loaded');
  const began = Date.now();
  await act(async () => void one.chat.sendMessage('more'));
  await shown(() => server.generations.size === 2, 'it arrives');
  server.latest.start().chunk('Once');
  await shown(() => two.chat.streamingText === 'Once', 'the other page follows');
  expect(Date.now() - began).toBeLessThan(2_000);
  expect(texts(two)).toEqual(['hello', 'Hi', 'more', 'Once']);
  await act(() => two.chat.stopStream());
  await shown(() => !one.chat.isStreaming, 'it is stopped for both');
  expect(one.chat.messages.at(-1)).toMatchObject({ state: 'cancelled', content: 'Once' });
});

test('a page that gets the focus looks at once', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const one = page();
  await one.show({ conversationId: 'c1' });
  await shown(() => texts(one).length === 2, 'it is loaded');
  server.submit({ conversation_id: 'c1', message: 'more' }).start().chunk('Yes').end();
  const began = Date.now();
  await act(async () => void window.dispatchEvent(new Event('focus')));
  await shown(() => texts(one).at(-1) === 'Yes', 'it has looked');
  expect(Date.now() - began).toBeLessThan(2_000);
});

test('a page that is not seen asks for nothing', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const one = page();
  await one.show({ conversationId: 'c1' });
  await shown(() => texts(one).length === 2, 'it is loaded');
  const state = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  const before = server.asked.length;
  await act(async () => void window.dispatchEvent(new Event('focus')));
  await act(() => new Promise((resolve) => setTimeout(resolve, 2_700)));
  expect(server.asked.length).toBe(before);
  state.mockReturnValue('visible');
  await act(async () => void document.dispatchEvent(new Event('visibilitychange')));
  await shown(() => server.asked.length > before, 'it looks when it is seen again');
});

test('the network comes back: the reply goes on at once', async () => {
  const one = page();
  const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once');
  await one.show({ conversationId: 'c1' });
  await shown(() => one.chat.streamingText === 'Once', 'it is shown');
  const online = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
  server.down = true;
  server.cut(generation);
  await shown(() => one.chat.connection === 'offline', 'it says that it is offline');
  generation.chunk(' upon');
  server.down = false;
  online.mockReturnValue(true);
  const began = Date.now();
  await act(async () => void window.dispatchEvent(new Event('online')));
  await shown(() => one.chat.streamingText === 'Once upon', 'it goes on');
  expect(Date.now() - began).toBeLessThan(1_000);
  // What was open before belongs to the old network.
  const before = server.asked.length;
  await act(async () => void window.dispatchEvent(new Event('online')));
  await shown(() => server.asked.length > before, 'it connects anew');
  expect(server.asked.at(-1)?.headers['last-event-id']).toBe('1-2');
  generation.end();
  await shown(() => !one.chat.isStreaming, 'it ends');
  expect(texts(one)).toEqual(['hello', 'Once upon']);
});

test('without a network it says so, and is believed only as long as nothing arrives', async () => {
  const one = page();
  const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once');
  await one.show({ conversationId: 'c1' });
  await shown(() => one.chat.connection === 'open', 'it is read');
  const online = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
  await act(async () => void window.dispatchEvent(new Event('offline')));
  await shown(() => one.chat.connection === 'offline', 'it says so');
  generation.chunk(' upon');
  await shown(
    () => one.chat.connection === 'open' && one.chat.streamingText === 'Once upon',
    'it is read all the same',
  );
  generation.end();
  await shown(() => !one.chat.isStreaming && one.chat.connection === 'offline', 'it says so with nothing to read');
  online.mockReturnValue(true);
  await act(async () => void window.dispatchEvent(new Event('online')));
  await shown(() => one.chat.connection === 'idle', 'it is back');
});

test('a page where nothing happens is not rendered again', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const one = page();
  await one.show({ conversationId: 'c1' });
  await shown(() => texts(one).length === 2, 'it is loaded');
  const { renders } = one;
  const looks = server.asked.length;
  await act(async () => void window.dispatchEvent(new Event('focus')));
  await shown(() => server.asked.length > looks, 'it has looked');
  await one.chat.retry();
  expect(one.renders).toBe(renders);
});

test('unmounted, nothing is read or asked for any more', async () => {
  const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once');
  const one = page();
  await one.show({ conversationId: 'c1' });
  await shown(() => one.chat.streamingText === 'Once', 'it is shown');
  await act(async () => roots[0]?.unmount());
  await eventually(() => generation.readers.size === 0, 'nobody reads');
  expect(generation.ended).toBe(false);
});
