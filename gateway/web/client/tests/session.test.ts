import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ChatMessage, ChatSession, type ChatSnapshot, HeadraceClient, type SessionOptions } from '../index.js';
import { readParts } from '../parts.js';
import { ChatServer } from './chat_server.js';
import { eventually } from './eventually.js';
import type { Generation } from './generation.js';

const FAST = { retryMs: 1, giveUpMs: 300, giveUpStartMs: 100 };

let server: ChatServer;
let sessions: ChatSession[];
beforeEach(async () => {
  server = await ChatServer.open();
  sessions = [];
});
afterEach(async () => {
  for (const session of sessions) session.close();
  await server.close();
});

function begin(options: SessionOptions = {}): ChatSession {
  const session = new ChatSession({
    client: new HeadraceClient({ baseUrl: server.url, ...FAST }),
    followMs: 50,
    ...options,
  });
  sessions.push(session);
  session.open();
  return session;
}

/** A conversation with one turn, `hello` and `Hi.`, as another page left it. */
function conversation(id = 'c1'): Generation {
  return server.submit({ conversation_id: id, message: 'hello' }).start().chunk('Hi', '.').end();
}

/** Resolves with the first snapshot of which *predicate* holds. */
async function shown(session: ChatSession, predicate: (snapshot: ChatSnapshot) => boolean, why: string) {
  await eventually(() => predicate(session.snapshot), `${why}: ${JSON.stringify(session.snapshot)}`);
  return session.snapshot;
}

/** A new generation whose first word has reached the page. */
async function answering(session: ChatSession, word = 'Once'): Promise<Generation> {
  const before = server.generations.size;
  await eventually(() => server.generations.size > before, 'the message arrives');
  const generation = server.latest.start().chunk(word);
  await shown(session, ({ streamingText }) => streamingText.startsWith(word), 'the first word is shown');
  return generation;
}

function brief(session: ChatSession): [string, string, string][] {
  return session.snapshot.messages.map(({ role, state, content }) => [role, state, content]);
}

function message(session: ChatSession, index: number): ChatMessage {
  const found = session.snapshot.messages.at(index);
  if (!found) throw new Error(`there is no message ${index}`);
  return found;
}

const cancels = () => server.asked.filter(({ path }) => path.endsWith('/cancel')).length;
const posts = () => server.asked.filter(({ path }) => path === '/api/chat/stream');

describe('a new conversation', () => {
  test('shows the message at once, then the reply as it comes', async () => {
    const named: string[] = [];
    const session = begin({ onConversation: (id) => named.push(id), model: 'small' });
    const sent = session.sendMessage('hello');
    expect(brief(session)).toEqual([
      ['user', 'sending', 'hello'],
      ['assistant', 'sending', ''],
    ]);
    expect(session.snapshot).toMatchObject({ isStreaming: true, isLoading: false, error: null });
    const generation = await answering(session);
    expect(session.snapshot).toMatchObject({ connection: 'open', streamingText: 'Once' });
    const ids = session.snapshot.messages.map(({ id }) => id);
    generation.chunk(' upon').end();
    await sent;
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Once upon'],
    ]);
    expect(session.snapshot).toMatchObject({ isStreaming: false, connection: 'idle', streamingText: '' });
    expect(session.snapshot.usage).toEqual({ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 });
    await shown(session, ({ title }) => title === 'hello', 'it has a title');
    expect(session.snapshot.messages.map(({ id }) => id)).toEqual(ids);
    expect(message(session, 1)).toMatchObject({ generationId: generation.id, model: 'test' });
    expect(named).toEqual([session.conversationId]);
    expect(posts()[0]?.body).toMatchObject({ conversation_id: session.conversationId, model: 'small' });
  });

  test('asks for nothing before its first message', async () => {
    begin();
    const other = begin({ conversationId: 'c1' });
    await shown(other, ({ isLoading }) => !isLoading, 'the other one has asked');
    expect(server.asked.map(({ path }) => path)).toEqual(['/api/conversations/c1']);
  });

  test('shows reasoning, tool calls in one piece, its place in the queue, and a new start', async () => {
    const session = begin();
    const sent = session.sendMessage('hello');
    await eventually(() => server.generations.size === 1, 'the message arrives');
    const generation = server.latest.queued(3);
    await shown(session, ({ queuePlace }) => queuePlace === 3, 'it waits');
    expect(message(session, -1).state).toBe('queued');
    generation.start().chunk('Wrong').toolCall({ index: 0, id: 'void', name: 'delete', arguments: '{}' });
    await shown(session, () => message(session, -1).toolCalls?.length === 1, 'a call is shown');
    generation.toolCall({ index: 1, id: 'void_too', name: 'delete', arguments: '' }).reset().reset();
    await shown(session, () => message(session, -1).toolCalls === undefined, 'what was voided is gone');
    generation.reasoning('Let me').reasoning(' think.');
    generation.toolCall({ index: 0, id: 'call_1', name: 'weather', arguments: '' });
    generation.toolCall({ index: 0, id: '', name: '', arguments: '{"city":"Basel"}' });
    generation.chunk('Right').end();
    await sent;
    expect(session.snapshot.queuePlace).toBeNull();
    expect(message(session, -1)).toMatchObject({
      content: 'Right',
      reasoning: 'Let me think.',
      reasoningMs: expect.any(Number),
      toolCalls: [{ index: 0, id: 'call_1', name: 'weather', arguments: '{"city":"Basel"}', at: 0 }],
    });
  });

  test('ignores a message of nothing', async () => {
    const session = begin();
    await session.sendMessage(' \n ');
    expect(session.snapshot.messages).toEqual([]);
  });
});

describe('publishing', () => {
  test('is once a frame, and leaves what has not changed as it is', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    const [first, second] = session.snapshot.messages;
    const sent = session.sendMessage('more');
    const generation = await answering(session);
    const began = performance.now();
    let published = 0;
    session.subscribe(() => {
      published += 1;
    });
    for (let n = 0; n < 20_000; n += 100) {
      generation.chunk(...Array(100).fill(' word'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    generation.end();
    await sent;
    const frames = (performance.now() - began) / 24;
    expect(published).toBeGreaterThan(1);
    expect(published).toBeLessThan(frames + 5);
    expect(message(session, -1).content).toBe(`Once${' word'.repeat(20_000)}`);
    expect(session.snapshot.messages[0]).toBe(first);
    expect(session.snapshot.messages[1]).toBe(second);
  });

  test('gives the same snapshot until something changes', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    const before = session.snapshot.messages;
    session.dismissError();
    expect(session.snapshot.messages).toBe(before);
  });
});

describe('a conversation that is not there', () => {
  const answers = () => server.asked.filter(({ path }) => path.startsWith('/api/conversations')).length;

  test('says so, until something is said in it', async () => {
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ isMissing }) => isMissing, 'it says so');
    expect(session.snapshot).toMatchObject({ isLoading: false, error: null, messages: [] });
    void session.sendMessage('hello');
    await answering(session);
    expect(session.snapshot.isMissing).toBe(false);
  });

  test('any more says so', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    expect(session.snapshot.isMissing).toBe(false);
    server.conversations.delete('c1');
    await shown(session, ({ isMissing, messages }) => isMissing && messages.length === 0, 'it is gone');
  });

  test('is no new one', async () => {
    const session = begin();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect([session.snapshot.isMissing, answers()]).toEqual([false, 0]);
  });
});

describe('an existing conversation', () => {
  test('is loaded', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    expect(session.snapshot.isLoading).toBe(true);
    await shown(session, ({ isLoading }) => !isLoading, 'it is loaded');
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Hi.'],
    ]);
    expect(session.snapshot).toMatchObject({ title: 'hello', isStreaming: false });
  });

  test('goes on with the reply that is on its way', async () => {
    const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once', ' upon');
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ streamingText }) => streamingText === 'Once upon', 'it catches up');
    expect(session.snapshot.isStreaming).toBe(true);
    const { id } = message(session, -1);
    generation.chunk(' a time').end();
    await shown(session, ({ isStreaming }) => !isStreaming, 'it ends');
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Once upon a time']);
    expect(message(session, -1).id).toBe(id);
  });

  test('follows what others write in it', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    const generation = server.submit({ conversation_id: 'c1', message: 'more' }).start().chunk('Once');
    await shown(session, ({ streamingText }) => streamingText === 'Once', 'the reply is followed');
    expect(brief(session).slice(2)).toEqual([
      ['user', 'done', 'more'],
      ['assistant', 'streaming', 'Once'],
    ]);
    generation.end();
    await shown(session, ({ isStreaming }) => !isStreaming, 'it ends');
    const looks = server.asked.filter(({ headers }) => headers['if-none-match']);
    expect(looks.length).toBeGreaterThan(0);
  });

  test('that cannot be loaded can be tried again', async () => {
    conversation();
    server.down = true;
    const client = new HeadraceClient({ baseUrl: server.url, ...FAST, callMs: 50 });
    const session = begin({ conversationId: 'c1', client });
    await shown(session, ({ error }) => error?.code === 'unreachable', 'it fails');
    expect(session.snapshot.isLoading).toBe(false);
    server.down = false;
    await session.retry();
    expect(session.snapshot).toMatchObject({ error: null, messages: { length: 2 } });
  });

  test('that cannot be loaded yet is loaded as soon as it can', async () => {
    conversation();
    server.down = true;
    const client = new HeadraceClient({ baseUrl: server.url, ...FAST, callMs: 20 });
    const session = begin({ conversationId: 'c1', client });
    await shown(session, ({ error }) => error !== null, 'it fails');
    server.down = false;
    await shown(session, ({ messages, error }) => messages.length === 2 && error === null, 'it is loaded');
  });

  test('that may not be seen is not asked for again and again', async () => {
    conversation();
    server.locked = true;
    const session = begin({ conversationId: 'c1', followMs: 5 });
    await shown(session, ({ error }) => error?.code === 'unauthorized', 'it is refused');
    const before = server.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.asked.length).toBe(before);
    server.locked = false;
    await session.retry();
    expect(session.snapshot).toMatchObject({ error: null, messages: { length: 2 } });
  });

  test('is taken up again after it was closed', async () => {
    const session = begin();
    void session.sendMessage('hello');
    const generation = await answering(session);
    session.close();
    await eventually(() => generation.readers.size === 0, 'nobody reads');
    expect(generation.ended).toBe(false);
    generation.chunk(' upon');
    session.open();
    await shown(session, ({ streamingText }) => streamingText === 'Once upon', 'it goes on');
    expect(brief(session)).toHaveLength(2);
  });
});

describe('stopping', () => {
  test('keeps what was said', async () => {
    const session = begin();
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    await session.stopStream();
    await sent;
    expect(generation.state).toBe('cancelled');
    expect(brief(session)[1]).toEqual(['assistant', 'cancelled', 'Once']);
    expect(session.snapshot).toMatchObject({ isStreaming: false, error: null });
  });

  test('works before the server has answered', async () => {
    server.down = true;
    const session = begin();
    const sent = session.sendMessage('hello');
    await eventually(() => posts().length > 0, 'it is sent');
    await session.stopStream();
    await sent;
    expect(session.snapshot.isStreaming).toBe(false);
    expect(brief(session).map(([role, , content]) => [role, content])).toEqual([['user', 'hello']]);
  });

  test('of a message that is only being kept does not stop the reply before it', async () => {
    const session = begin();
    const first = session.sendMessage('hello');
    (await answering(session)).end();
    await first;
    const sent = session.sendMessage('more');
    await session.stopStream();
    await sent;
    expect([cancels(), session.snapshot.isStreaming, brief(session).at(-1)]).toEqual([
      0,
      false,
      ['user', 'cancelled', 'more'],
    ]);
  });

  test('is over soon, also where its end does not arrive', async () => {
    const later = globalThis.setTimeout;
    const soon = (run: (...of: unknown[]) => void, ms?: number, ...of: unknown[]) =>
      later(run, ms === 3_000 ? 20 : ms, ...of);
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(soon as typeof setTimeout);
    server.faults.set('POST', [{ stallAfter: 2 }]);
    const session = begin();
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    void session.stopStream();
    await shown(session, ({ isStreaming }) => !isStreaming, 'it is over');
    await sent;
    expect([generation.state, brief(session)[1]]).toEqual(['cancelled', ['assistant', 'cancelled', 'Once']]);
  });

  test('that does not reach the server says so; the reply goes on', async () => {
    const client = new HeadraceClient({ baseUrl: server.url, ...FAST, callMs: 50, giveUpMs: 60_000 });
    const session = begin({ client });
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    server.down = true;
    await session.stopStream();
    expect(session.snapshot).toMatchObject({ isStreaming: true, error: { code: 'unreachable' } });
    server.down = false;
    const again = session.retry();
    expect(session.snapshot.error).toBeNull();
    await again;
    await sent;
    expect(generation.state).toBe('cancelled');
  });

  test('comes first when something else is sent', async () => {
    const session = begin();
    const first = session.sendMessage('hello');
    const generation = await answering(session);
    const second = session.sendMessage('stop, tell me that');
    await first;
    expect(generation.state).toBe('cancelled');
    (await answering(session, 'That')).end();
    await second;
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'cancelled', 'Once'],
      ['user', 'done', 'stop, tell me that'],
      ['assistant', 'done', 'That'],
    ]);
  });
});

test.each(['regenerate', 'editMessage'] as const)('a reply is stopped before %s asks anew', async (how) => {
  const session = begin();
  const sent = session.sendMessage('hello');
  const generation = await answering(session);
  const again = how === 'regenerate' ? session.regenerate() : session.editMessage(message(session, 0).id, 'hi');
  await sent;
  expect([generation.state, cancels()]).toEqual(['cancelled', 1]);
  (await answering(session, 'Anew')).end();
  await again;
  expect(posts()[1]?.body.replaces).toBe(generation.id);
});

test("a conversation begins with its settings, whose model goes before the page's", async () => {
  const session = begin({ model: 'small' });
  await session.changeSettings({ model: 'own', temperature: 0.5 });
  for (const text of ['one', 'two']) {
    const sent = session.sendMessage(text);
    (await answering(session)).end();
    await sent;
  }
  expect(posts().map(({ body }) => body.model)).toEqual([undefined, undefined]);
  expect(posts().map(({ body }) => body.settings)).toEqual([{ model: 'own', temperature: 0.5 }, undefined]);
});

test('a reply that may not be read is not asked for again and again', async () => {
  const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start();
  server.faults.set(generation.id, Array(50).fill({ status: 403 }));
  const session = begin({ conversationId: 'c1', followMs: 5 });
  await shown(session, ({ error }) => error?.status === 403, 'it is refused');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.faults.get(generation.id)).toHaveLength(49);
});

test('a reply that could not be stopped is read no more once another is asked for', async () => {
  const session = begin({ client: new HeadraceClient({ baseUrl: server.url, ...FAST, callMs: 50, giveUpMs: 60_000 }) });
  void session.sendMessage('hello');
  const generation = await answering(session);
  server.down = true;
  void session.sendMessage('more');
  await eventually(() => posts().length === 2, 'the next is asked for');
  await eventually(() => generation.readers.size === 0, 'nobody reads the first');
});

test('a cut reply that could not go on stays as it was', async () => {
  conversation();
  const session = begin({ conversationId: 'c1', followMs: 60_000 });
  await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  const going = session.continueReply();
  await eventually(() => server.generations.size === 2, 'it is to go on');
  server.latest.start().fail('upstream_broke', 'It broke.');
  expect(await going).toBe(true);
  expect(brief(session)[1]).toEqual(['assistant', 'done', 'Hi.']);
  expect(session.snapshot.error).toMatchObject({ code: 'upstream_broke' });
});

test('a cut reply goes on in its own place, where its model can', async () => {
  const cut = conversation();
  const session = begin({ conversationId: 'c1', followMs: 60_000 });
  await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  const { id } = message(session, 1);
  server.faults.set('POST', [{ status: 422, code: 'model_cannot_continue' }, { status: 422 }]);
  expect(await session.continueReply(id)).toBe(false);
  expect(session.snapshot).toMatchObject({ error: null, isStreaming: false });
  expect(await session.continueReply()).toBe(true);
  expect(session.snapshot).toMatchObject({ error: { code: 'told_to', status: 422 }, isStreaming: false });
  const again = session.retry();
  await eventually(() => server.generations.size === 2, 'it is to go on');
  const going = server.latest.start().chunk('Hi.', ' More.');
  await shown(session, ({ streamingText }) => streamingText === 'Hi. More.', 'it goes on');
  expect(message(session, 1)).toMatchObject({ id, content: 'Hi. More.' });
  going.end();
  await again;
  expect(posts().map(({ body }) => body.continues)).toEqual(Array(3).fill(cut.id));
  expect(brief(session).slice(0, 2)).toEqual([
    ['user', 'done', 'hello'],
    ['assistant', 'done', 'Hi. More.'],
  ]);
  expect([message(session, 0), message(session, 1)].map(({ generationId }) => generationId)).toEqual(
    Array(2).fill(going.id),
  );
});

test('of several replies the one that is named goes on; an edit without a text is none', async () => {
  const first = conversation();
  server.submit({ conversation_id: 'c1', message: 'more' }).start().chunk('Yes').end();
  const session = begin({ conversationId: 'c1', followMs: 60_000 });
  await shown(session, ({ messages }) => messages.length === 4, 'it is loaded');
  server.faults.set('POST', [{ status: 422 }]);
  expect(await session.editMessage(message(session, 0).id, ' ')).toBe(false);
  expect(await session.editMessage('nobody', 'x')).toBe(false);
  expect(await session.continueReply('nobody')).toBe(false);
  await session.continueReply(message(session, 1).id);
  expect(posts().map(({ body }) => body.continues)).toEqual([first.id]);
});

test('settings and branches that are refused say so, and can be retried', async () => {
  conversation();
  const session = begin({ conversationId: 'c1', followMs: 60_000 });
  await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  server.locked = true;
  for (const change of [() => session.changeSettings({ model: 'own' }), () => session.showBranch('g0')]) {
    await change();
    expect(session.snapshot.error).toMatchObject({ code: 'unauthorized' });
    const before = server.asked.length;
    await session.retry();
    expect(server.asked.slice(before).map(({ path }) => path)).toEqual(
      server.asked.slice(before - 1, before).map(({ path }) => path),
    );
    session.dismissError();
  }
  server.locked = false;
  const looks = server.asked.length;
  await session.showBranch('g0');
  expect(server.asked.slice(looks).map(({ method }) => method)).toEqual(['POST', 'GET']);
});

test('a message that its page left before it was sent says so', async () => {
  server.down = true;
  const session = begin({ client: new HeadraceClient({ baseUrl: server.url, ...FAST, giveUpStartMs: 60_000 }) });
  void session.sendMessage('hello');
  await shown(session, ({ messages }) => messages[0]?.state === 'unsent', 'it waits');
  session.close();
  session.dismissError();
  expect(message(session, 0)).toMatchObject({ state: 'failed', error: { code: 'closed', retryable: true } });
});

test('a reply that failed can be asked for again after a reload, too', async () => {
  const failed = server.submit({ conversation_id: 'c1', message: 'hello' }).start().fail('upstream_broke', 'It broke.');
  const session = begin({ conversationId: 'c1' });
  await shown(session, ({ messages }) => messages[1]?.state === 'failed', 'it is loaded');
  const again = session.retry();
  (await answering(session, 'Better')).end();
  await again;
  expect(posts()[0]?.body.replaces).toBe(failed.id);
});

test('a message that is asked again keeps its pictures', async () => {
  const stored = { type: 'image', blob: 'b'.repeat(64), content_type: 'image/png', size: 5, name: 'a.png' } as const;
  server.faults.set('POST', [{ status: 422 }]);
  const session = begin();
  await session.sendMessage('look', { parts: readParts([stored], '') });
  const again = session.regenerate(message(session, 0).id);
  (await answering(session)).end();
  await again;
  const [first, second] = posts().map(({ body }) => body.message);
  expect(first).toHaveLength(2);
  expect(second).toEqual(first);
});

describe('asking again', () => {
  let session: ChatSession;
  let asked: Generation;
  beforeEach(async () => {
    asked = conversation();
    session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  });

  test('puts another reply in its place', async () => {
    const again = session.regenerate();
    expect(brief(session)).toEqual([
      ['user', 'sending', 'hello'],
      ['assistant', 'sending', ''],
    ]);
    (await answering(session, 'Hey')).end();
    await again;
    expect(posts()[0]?.body).toMatchObject({ message: 'hello', replaces: asked.id });
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Hey'],
    ]);
  });

  test('with another text puts that in its place', async () => {
    const again = session.editMessage(message(session, 0).id, 'good bye');
    (await answering(session, 'Bye')).end();
    await again;
    expect(posts()[0]?.body).toMatchObject({ message: 'good bye', replaces: asked.id });
    expect(brief(session)).toEqual([
      ['user', 'done', 'good bye'],
      ['assistant', 'done', 'Bye'],
    ]);
  });

  test('leaves all as it was when it is refused, and can be retried', async () => {
    const before = session.snapshot.messages;
    server.faults.set('POST', [{ status: 404 }]);
    await session.regenerate();
    expect(session.snapshot.messages).toEqual(before);
    expect(session.snapshot.error).toMatchObject({ code: 'told_to', status: 404 });
    const again = session.retry();
    (await answering(session, 'Hey')).end();
    await again;
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Hey']);
    expect(session.snapshot.error).toBeNull();
  });

  test('of a first turn takes what came after along', async () => {
    const more = session.sendMessage('more');
    (await answering(session, 'More')).end();
    await more;
    const again = session.regenerate(message(session, 1).id);
    expect(brief(session)).toHaveLength(2);
    (await answering(session, 'Hey')).end();
    await again;
    expect(brief(session).map(([, , content]) => content)).toEqual(['hello', 'Hey']);
  });
});

describe('what goes wrong', () => {
  test('leaves an unsent message to be retried, once', async () => {
    server.faults.set('POST', [{ status: 422, retryAfter: '7' }]);
    const session = begin();
    await session.sendMessage('hello');
    expect(brief(session)).toEqual([['user', 'failed', 'hello']]);
    const error = { code: 'told_to', status: 422, retryAfterMs: 7_000 };
    expect(session.snapshot).toMatchObject({ isStreaming: false, error });
    const again = session.retry();
    (await answering(session)).end();
    await again;
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Once'],
    ]);
    const [first, second] = posts().map(({ headers }) => headers['idempotency-key']);
    expect(first).toBe(second);
  });

  test('does not show twice what the server had taken', async () => {
    server.faults.set('POST', Array(50).fill({ lose: true }));
    const session = begin();
    await session.sendMessage('hello');
    expect(brief(session)).toEqual([['user', 'failed', 'hello']]);
    server.latest.start().chunk('Once').end();
    const again = session.retry();
    server.faults.clear();
    await again;
    expect(server.generations.size).toBe(1);
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Once'],
    ]);
  });

  test('in the generation keeps what was said, and can be retried', async () => {
    const session = begin();
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    generation.fail('upstream_broke', 'The model broke off.');
    await sent;
    expect(brief(session)[1]).toEqual(['assistant', 'failed', 'Once']);
    expect(session.snapshot.error).toMatchObject({ code: 'upstream_broke', message: 'The model broke off.' });
    expect(message(session, 1).error).toMatchObject({ code: 'upstream_broke', retryable: true });
    const again = session.retry();
    expect(session.snapshot.error).toBeNull();
    (await answering(session, 'Better')).end();
    await again;
    expect(posts()[1]?.body).toMatchObject({ replaces: generation.id });
    expect(brief(session)).toEqual([
      ['user', 'done', 'hello'],
      ['assistant', 'done', 'Better'],
    ]);
  });

  test('on the way is outlived', async () => {
    const session = begin({ client: new HeadraceClient({ baseUrl: server.url, ...FAST, giveUpMs: 60_000 }) });
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    server.faults.set(generation.id, [{ status: 503 }, { refuse: true }, { endAfter: 1 }]);
    server.cut(generation);
    await shown(session, ({ connection }) => connection === 'reconnecting', 'it reconnects');
    generation.chunk(' upon', ' a', ' time').end();
    await sent;
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Once upon a time']);
    expect(server.faults.get(generation.id)).toEqual([]);
  });

  test('for too long is said, and the reply taken up again once the server is back', async () => {
    const session = begin();
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    server.down = true;
    server.cut(generation);
    await sent;
    expect(brief(session)[1]).toEqual(['assistant', 'failed', 'Once']);
    expect(session.snapshot.error).toMatchObject({ code: 'unreachable', retryable: true });
    generation.chunk(' upon').end();
    server.down = false;
    await shown(session, ({ isStreaming, error }) => !isStreaming && error === null, 'it has ended');
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Once upon']);
  });

  test('for too long can be retried at once', async () => {
    const session = begin({ followMs: 60_000 });
    const sent = session.sendMessage('hello');
    const generation = await answering(session);
    server.down = true;
    server.cut(generation);
    await sent;
    server.down = false;
    const again = session.retry();
    generation.chunk(' upon').end();
    await again;
    expect(session.snapshot.error).toBeNull();
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Once upon']);
  });

  test('with an expired log costs no text', async () => {
    const generation = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once', ' upon');
    server.faults.set(generation.id, [{ endAfter: 1 }]);
    const session = begin({ conversationId: 'c1' });
    await eventually(() => server.faults.get(generation.id)?.length === 0, 'it is read');
    generation.end().expired = true;
    await shown(session, ({ messages, isStreaming }) => messages.length === 2 && !isStreaming, 'it has ended');
    expect(brief(session)[1]).toEqual(['assistant', 'done', 'Once upon']);
  });

  test('because another page asks as well: it is followed, and the message kept', async () => {
    conversation();
    const session = begin({ conversationId: 'c1' });
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    const other = server.submit({ conversation_id: 'c1', message: 'theirs' }).start().chunk('Once');
    await session.sendMessage('mine');
    expect(session.snapshot.error).toMatchObject({ code: 'busy', status: 409 });
    await shown(session, ({ streamingText }) => streamingText === 'Once', 'theirs is followed');
    expect(session.snapshot.error).toMatchObject({ code: 'busy' });
    other.end();
    await shown(session, ({ isStreaming }) => !isStreaming, 'theirs has ended');
    const again = session.retry();
    (await answering(session, 'Yours')).end();
    await again;
    expect(brief(session).map(([, , content]) => content)).toEqual(['hello', 'Hi.', 'theirs', 'Once', 'mine', 'Yours']);
    expect(cancels()).toBe(0);
  });
});

describe('the reason for the end of a reply', () => {
  test.each(['stop', 'length', 'content_filter', 'tool_calls', 'cancelled'] as const)('%s is told', async (reason) => {
    const session = begin();
    void session.sendMessage('hello');
    (await answering(session)).end(reason);
    await shown(session, ({ isStreaming }) => !isStreaming, 'it ends');
    expect(message(session, -1).finishReason).toBe(reason);
    const later = begin({ conversationId: session.conversationId });
    await shown(later, ({ messages }) => messages.length === 2, 'it is loaded');
    expect(message(later, -1).finishReason).toBe(reason);
  });

  test('is told where the log has expired, and of one that failed', async () => {
    const expired = server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Once');
    server.faults.set(expired.id, [{ endAfter: 1 }]);
    const session = begin({ conversationId: 'c1' });
    await eventually(() => server.faults.get(expired.id)?.length === 0, 'it is read');
    expired.end('length').expired = true;
    await shown(session, ({ messages, isStreaming }) => messages.length === 2 && !isStreaming, 'it has ended');
    expect(message(session, -1).finishReason).toBe('length');
    void session.sendMessage('more');
    (await answering(session)).fail('upstream_broke', 'It broke.');
    await shown(session, ({ isStreaming }) => !isStreaming, 'it fails');
    expect(message(session, -1).finishReason).toBe('error');
  });

  test('is left out where it is not known', async () => {
    const session = begin();
    void session.sendMessage('hello');
    (await answering(session)).end('eos_token');
    await shown(session, ({ isStreaming }) => !isStreaming, 'it ends');
    expect('finishReason' in message(session, -1)).toBe(false);
  });
});
