import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ChatSession, type ChatSnapshot, HeadraceClient, type SessionOptions } from '../index.js';
import { MemoryOutbox } from '../outbox.js';
import { ChatServer } from './chat_server.js';
import { eventually } from './eventually.js';
import type { Generation } from './generation.js';

const PATIENT = { retryMs: 5, giveUpMs: 60_000, giveUpStartMs: 60_000, callMs: 400 };
const SOON = { ...PATIENT, giveUpStartMs: 50 };

let server: ChatServer;
let outbox: MemoryOutbox;
let sessions: ChatSession[];
beforeEach(async () => {
  server = await ChatServer.open();
  outbox = new MemoryOutbox();
  sessions = [];
});
afterEach(async () => {
  for (const session of sessions) session.close();
  await server.close();
});

/** A page that shows a conversation; all pages share the outbox. */
function open(conversationId?: string, timing: object = PATIENT, options: SessionOptions = {}): ChatSession {
  const client = new HeadraceClient({ baseUrl: server.url, ...timing });
  const session = new ChatSession({ client, conversationId, outbox, followMs: 30, ...options });
  sessions.push(session);
  session.open();
  return session;
}

async function shown(session: ChatSession, holds: (snapshot: ChatSnapshot) => boolean, why: string): Promise<void> {
  await eventually(() => holds(session.snapshot), why).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(session.snapshot)}`);
  });
}

const brief = ({ snapshot }: ChatSession) => snapshot.messages.map(({ state, content }) => `${state} ${content}`);
const waiting = ({ snapshot }: ChatSession) => snapshot.waiting.map(({ state, content }) => `${state} ${content}`);
const posts = () => server.asked.filter(({ method, path }) => method === 'POST' && path === '/api/chat/stream');
const idOf = (session: ChatSession, text: string) =>
  [...session.snapshot.messages, ...session.snapshot.waiting].find(({ content }) => content === text)?.id ?? '';

/** A page whose request of *text* is held up on its way, until it is let go. */
function held(text: string): { session: ChatSession; letGo: () => void; arrived: () => boolean } {
  const gate = { letGo: () => {}, arrived: false };
  const open_ = new Promise<void>((resolve) => {
    gate.letGo = resolve;
  });
  const slow: typeof fetch = async (url, init) => {
    if (String(init?.body ?? '').includes(text)) {
      gate.arrived = true;
      await open_;
    }
    return fetch(url, init);
  };
  const client = new HeadraceClient({ baseUrl: server.url, ...PATIENT, fetch: slow });
  return { session: open(undefined, PATIENT, { client }), letGo: gate.letGo, arrived: () => gate.arrived };
}

async function answering(session: ChatSession): Promise<Generation> {
  await eventually(() => server.generations.size > 0, 'the message arrives');
  const generation = server.latest.start().chunk('Once');
  await shown(session, ({ streamingText }) => streamingText === 'Once', 'the first word is shown');
  return generation;
}

describe('a message that cannot be sent', () => {
  test('says so, names its conversation, and is sent once the server is there', async () => {
    server.down = true;
    const named: string[] = [];
    const session = open(undefined, PATIENT, { onConversation: (id) => named.push(id) });
    const sent = session.sendMessage('hello', { onBusy: 'queue' });
    await shown(session, ({ messages }) => messages[0]?.state === 'unsent', 'it is known to be unsent');
    expect([brief(session), session.snapshot.isStreaming, named]).toEqual([
      ['unsent hello'],
      false,
      [session.conversationId],
    ]);
    server.answer = (generation) => generation.start().chunk('Hi').end();
    server.down = false;
    await sent;
    expect(brief(session)).toEqual(['done hello', 'done Hi']);
    expect(await outbox.all()).toEqual([]);
  });

  test('is sent by the page that is opened next, with the same key', async () => {
    server.faults.set('POST', Array(3).fill({ lose: true }));
    server.answer = (generation) => generation.start().chunk('Hi').end();
    const first = open();
    void first.sendMessage('hello');
    await eventually(() => posts().length > 0, 'it is sent');
    first.close();
    const second = open(first.conversationId);
    await shown(second, () => brief(second).join() === 'done hello,done Hi', 'it is answered');
    expect(new Set(posts().map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect([server.generations.size, waiting(second), await outbox.all()]).toEqual([1, [], []]);
  });

  test('is sent once by two pages that have it', async () => {
    server.down = true;
    const first = open();
    void first.sendMessage('hello');
    await shown(first, () => brief(first)[0] === 'unsent hello', 'it waits');
    server.answer = (generation) => generation.start().chunk('Hi').end();
    const second = open(first.conversationId);
    server.down = false;
    for (const page of [first, second]) {
      await shown(page, () => brief(page).join() === 'done hello,done Hi', 'both have the answer');
    }
    expect(server.generations.size).toBe(1);
  });

  test('can be taken back, and is sent no more', async () => {
    server.down = true;
    const session = open();
    void session.sendMessage('hello');
    await shown(session, () => brief(session)[0] === 'unsent hello', 'it waits');
    expect(await session.takeBack(idOf(session, 'hello'))).toBe('hello');
    await shown(session, ({ messages }) => messages.length === 0, 'it is gone');
    expect([session.snapshot.error, await outbox.all()]).toEqual([null, []]);
    server.down = false;
    const sent = session.sendMessage('another');
    (await answering(session)).end();
    await sent;
    expect(posts().at(-1)?.body.message).toBe('another');
    expect(server.generations.size).toBe(1);
  });

  test('is taken back for the other page as well', async () => {
    server.down = true;
    const first = open();
    void first.sendMessage('hello');
    await shown(first, () => brief(first)[0] === 'unsent hello', 'it waits');
    const second = open(first.conversationId);
    await eventually(() => waiting(second).length === 1, 'the other page has it');
    await second.takeBack(idOf(second, 'hello'));
    server.answer = (generation) => generation.start().end();
    first.close();
    first.open();
    // What is on its way at this moment would arrive.
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.down = false;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.generations.size).toBe(0);
  });

  test('waits after others that cannot be sent, in order', async () => {
    server.down = true;
    const session = open();
    for (const text of ['one', 'two', 'three']) void session.sendMessage(text, { onBusy: 'queue' });
    await shown(session, () => brief(session)[0] === 'unsent one', 'the first waits');
    expect(waiting(session)).toEqual(['unsent two', 'unsent three']);
    server.down = false;
    await shown(session, () => waiting(session).join() === 'queued two,queued three', 'the others wait at the server');
    expect([...server.generations.values()].length).toBe(3);
    for (const reply of ['1', '2', '3']) {
      const generation = server.active(session.conversationId);
      generation?.start().chunk(reply).end();
      if (server.waiting.length) server.next();
      await shown(session, () => brief(session).includes(`done ${reply}`), `${reply} is shown`);
    }
    await shown(session, ({ isStreaming }) => !isStreaming, 'all are answered');
    expect(brief(session)).toEqual(['done one', 'done 1', 'done two', 'done 2', 'done three', 'done 3']);
    expect([waiting(session), await outbox.all()]).toEqual([[], []]);
  });

  test('that was refused stays, also over a reload, until it is sent again', async () => {
    server.faults.set('POST', [{ status: 422 }]);
    const first = open();
    await first.sendMessage('hello');
    expect(brief(first)).toEqual(['failed hello']);
    first.close();
    const second = open(first.conversationId);
    await eventually(() => waiting(second).join() === 'failed hello', 'it is there');
    await shown(second, ({ isLoading }) => !isLoading, 'it is loaded');
    expect(second.snapshot.isMissing).toBe(false);
    expect(posts()).toHaveLength(1);
    server.answer = (generation) => generation.start().chunk('Hi').end();
    await shown(second, ({ isLoading }) => !isLoading, 'it is loaded');
    await second.sendAgain(idOf(second, 'hello'));
    await shown(second, () => brief(second).join() === 'done hello,done Hi', 'it is answered');
  });

  test('for too long is tried again by itself', async () => {
    const later = globalThis.setTimeout;
    const soon = (run: () => void, ms?: number) => later(run, ms === 5_000 ? 20 : ms);
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(soon as typeof setTimeout);
    server.down = true;
    const session = open(undefined, SOON);
    await session.sendMessage('hello');
    expect(brief(session)).toEqual(['failed hello']);
    server.answer = (generation) => generation.start().chunk('Hi').end();
    server.down = false;
    await shown(session, () => brief(session).join() === 'done hello,done Hi', 'it is answered');
    expect(session.snapshot.error).toBeNull();
    vi.restoreAllMocks();
  });

  test('is not overtaken by what was written after it', async () => {
    const { session, letGo } = held('one');
    for (const text of ['one', 'two']) void session.sendMessage(text, { onBusy: 'queue' });
    await shown(session, () => waiting(session).length === 1, 'the second waits');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(posts()).toHaveLength(0);
    letGo();
    await eventually(() => posts().length === 2, 'both are sent');
    expect(posts().map(({ body }) => body.message)).toEqual(['one', 'two']);
  });

  test('is not sent under another key, nor after the server forgot its own', async () => {
    const entry = { conversationId: 'c1', text: 'hello', createdAt: 1, idempotencyKey: 'k' };
    const { scope } = new HeadraceClient({ baseUrl: server.url });
    await outbox.put({ ...entry, id: 'a', scope: `${server.url} other` });
    await outbox.put({ ...entry, id: 'b', scope, triedAt: 1 });
    await outbox.put({ ...entry, id: 'c', scope: 'http://elsewhere x' });
    server.submit({ conversation_id: 'c1', message: 'before' }).start().end();
    const session = open('c1');
    await shown(session, ({ messages }) => messages.length > 0, 'it is loaded');
    expect(session.snapshot.waiting.map(({ error }) => error?.code)).toEqual(['unauthorized', 'stale']);
    expect(posts()).toHaveLength(0);
    server.answer = (generation) => generation.start().end();
    for (const [index, id] of ['a', 'b'].entries()) {
      await session.sendAgain(id);
      await eventually(() => posts().length === index + 1, 'it is sent when its user says so');
      expect(posts()[index]?.headers['idempotency-key']).not.toBe('k');
      await shown(session, ({ isStreaming }) => !isStreaming, 'it is answered');
    }
    expect((await outbox.all()).map(({ id }) => id)).toEqual(['c']);
  });

  test('is sent after those that were written before it, by the next page too', async () => {
    const { scope } = new HeadraceClient({ baseUrl: server.url });
    const entry = { idempotencyKey: 'k', conversationId: 'c1', scope };
    for (const [id, createdAt] of [
      ['b', 2],
      ['a', 1],
      ['c', 3],
    ] as const) {
      await outbox.put({ ...entry, id, text: id, createdAt, idempotencyKey: id });
    }
    server.answer = (generation) => generation.start().end();
    open('c1');
    await eventually(() => posts().length === 3, 'all are sent');
    expect(posts().map(({ body }) => body.message)).toEqual(['a', 'b', 'c']);
  });

  test('is as old as its first try, whoever tries again', async () => {
    const { scope } = new HeadraceClient({ baseUrl: server.url });
    const triedAt = Date.now() - 3600_000;
    const entry = { id: 'a', idempotencyKey: 'k', conversationId: 'c1', text: 'hello', createdAt: 1, scope, triedAt };
    await outbox.put(entry);
    server.faults.set('POST', Array(1000).fill({ refuse: true }));
    open('c1');
    await eventually(() => posts().length > 0, 'it is tried');
    expect(await outbox.all()).toMatchObject([{ triedAt }]);
  });
});

describe('an edit', () => {
  test('that is refused leaves all as it was, and says so to its caller', async () => {
    server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
    const session = open('c1');
    await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
    server.faults.set('POST', [{ status: 422 }]);
    expect(await session.editMessage(idOf(session, 'hello'), 'goodbye')).toBe(false);
    expect([brief(session), waiting(session)]).toEqual([['done hello', 'done Hi'], []]);
    server.answer = (generation) => generation.start().chunk('Bye').end();
    expect(await session.editMessage(idOf(session, 'hello'), 'goodbye')).toBe(true);
    expect(brief(session)).toEqual(['done goodbye', 'done Bye']);
  });

  test('that cannot be sent takes its place after a reload too', async () => {
    server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
    const first = open('c1');
    await shown(first, ({ messages }) => messages.length === 2, 'it is loaded');
    server.faults.set('POST', Array(1000).fill({ refuse: true }));
    void first.editMessage(idOf(first, 'hello'), 'goodbye');
    await shown(first, () => brief(first).join() === 'unsent goodbye', 'it waits');
    first.close();
    server.faults.clear();
    server.answer = (generation) => generation.start().chunk('Bye');
    const second = open('c1');
    await shown(second, () => brief(second).join() === 'done goodbye,streaming Bye', 'it is in its place at once');
    server.latest.end();
    await shown(second, () => brief(second).join() === 'done goodbye,done Bye', 'it is answered');
    expect(posts().at(-1)?.body).toMatchObject({ replaces: expect.stringContaining('gen_') });
  });
});

describe('a message written while a reply streams', () => {
  let session: ChatSession;
  let asked: Generation;
  beforeEach(async () => {
    session = open();
    void session.sendMessage('hello');
    asked = await answering(session);
    await session.sendMessage('next', { onBusy: 'queue' });
  });

  test('waits at the server, holds no stream open, and is answered in its turn', async () => {
    expect(waiting(session)).toEqual(['queued next']);
    expect(posts()[1]?.body).toMatchObject({ message: 'next', on_busy: 'queue' });
    const [queued] = server.waiting;
    await eventually(() => queued?.generation.readers.size === 0, 'nobody reads it yet');
    expect(asked.ended).toBe(false);
    asked.end();
    server.next().start().chunk('Twice');
    await shown(session, ({ streamingText }) => streamingText === 'Twice', 'its reply is shown');
    server.latest.end();
    await shown(session, ({ isStreaming }) => !isStreaming, 'it ends');
    expect(brief(session)).toEqual(['done hello', 'done Once', 'done next', 'done Twice']);
    expect([waiting(session), await outbox.all()]).toEqual([[], []]);
  });

  test('can be taken back at the server', async () => {
    const [queued] = server.waiting;
    expect(await session.takeBack(idOf(session, 'next'))).toBe('next');
    expect([waiting(session), queued?.generation.state]).toEqual([[], 'cancelled']);
    expect(asked.ended).toBe(false);
    asked.end();
    await shown(session, ({ isStreaming }) => !isStreaming, 'the reply ends');
    expect(brief(session)).toEqual(['done hello', 'done Once']);
  });

  test('is not taken back where the server was not reached', async () => {
    server.down = true;
    expect(await session.takeBack(idOf(session, 'next'))).toBeNull();
    expect(waiting(session)).toEqual(['queued next']);
    expect(session.snapshot.error).toMatchObject({ code: 'unreachable' });
  });

  test('is shown by the page that is opened next, and can be taken back there', async () => {
    session.close();
    const other = open(session.conversationId);
    await shown(other, ({ isStreaming }) => isStreaming && waiting(other).length === 1, 'it waits there');
    expect(await other.takeBack(idOf(other, 'next'))).toBe('next');
    expect(server.waiting).toEqual([]);
  });

  test('is not taken back once it was answered', async () => {
    server.waiting.shift()?.generation.start().chunk('Twice').end();
    expect(await session.takeBack(idOf(session, 'next'))).toBeNull();
    expect(waiting(session)).toEqual(['queued next']);
  });

  test('that failed before its turn says so', async () => {
    server.waiting.shift()?.generation.fail('queue_timeout', 'Nobody was free.');
    asked.end();
    await shown(session, () => waiting(session).join() === 'failed next', 'it says so');
  });

  test('that the server knows no more says so, and is sent anew when its user says so', async () => {
    const [queued] = server.waiting.splice(0);
    server.generations.delete(queued?.generation.id ?? '');
    asked.end();
    await shown(session, () => waiting(session).join() === 'failed next', 'it says so');
    expect(session.snapshot.waiting[0]?.error).toMatchObject({ code: 'not_found', status: 404 });
    void session.sendAgain(idOf(session, 'next'));
    await eventually(() => posts().length === 3, 'it is sent');
    await shown(session, () => !waiting(session).includes('failed next'), 'it has not failed');
  });

  test('that was taken back elsewhere is gone', async () => {
    const [queued] = server.waiting;
    queued?.generation.end('cancelled');
    server.waiting.length = 0;
    asked.end();
    await shown(session, ({ isStreaming }) => !isStreaming && waiting(session).length === 0, 'it is gone');
    expect(await outbox.all()).toEqual([]);
  });
});

test('a message that is taken back while the server takes it is stopped there', async () => {
  const { session, letGo } = held('slowly');
  void session.sendMessage('hello');
  await answering(session);
  const sent = session.sendMessage('slowly', { onBusy: 'queue' });
  await shown(session, () => waiting(session).length === 1, 'it is on its way');
  expect(await session.takeBack(idOf(session, 'slowly'))).toBe('slowly');
  letGo();
  await sent;
  expect([server.generations.size, server.latest.state, server.waiting]).toEqual([2, 'cancelled', []]);
});

test('a message that is stopped while the server takes it is stopped there', async () => {
  const { session, letGo, arrived } = held('slowly');
  const sent = session.sendMessage('slowly', { maxTokens: 5 });
  await eventually(arrived, 'it is on its way');
  const stopped = session.stopStream();
  letGo();
  await Promise.all([sent, stopped]);
  expect([server.generations.size, server.latest.state]).toEqual([1, 'cancelled']);
  expect(posts()[0]?.body.max_tokens).toBe(5);
});

test('a session that is closed lets go of what it hands over, and tries it no more', async () => {
  const { session, letGo } = held('slowly');
  void session.sendMessage('hello');
  await answering(session);
  void session.sendMessage('slowly', { onBusy: 'queue' });
  await shown(session, () => waiting(session).length === 1, 'it is on its way');
  session.close();
  await new Promise((resolve) => setImmediate(resolve));
  letGo();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(posts()).toHaveLength(1);
});

test('what the database would not take is kept as long as the page; it is asked again each time', async () => {
  vi.resetModules();
  const opened: string[] = [];
  vi.stubGlobal('indexedDB', {
    open(name: string) {
      opened.push(name);
      const request = { onerror: () => {}, error: new Error('no') };
      queueMicrotask(() => request.onerror());
      return request;
    },
  });
  const { outbox: stored } = await import('../outbox.js');
  const entry = { id: 'a', idempotencyKey: 'k', conversationId: 'c1', scope: '', text: 'hello', createdAt: 1 };
  await stored().put(entry);
  expect(await stored().all()).toEqual([entry]);
  await stored().delete('a');
  expect([await stored().all(), opened.length]).toEqual([[], 4]);
});

test('a conversation that somebody answers already lets the message wait, and shows that reply', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const session = open('c1', PATIENT, { followMs: 60_000 });
  await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  const theirs = server.submit({ conversation_id: 'c1', message: 'theirs' }).start().chunk('Once');
  await session.sendMessage('mine', { onBusy: 'queue' });
  await shown(session, ({ streamingText }) => streamingText === 'Once', 'theirs is followed');
  await shown(session, () => waiting(session).join() === 'queued mine', 'mine waits');
  expect(session.snapshot.error).toBeNull();
  theirs.end();
  server.next().start().chunk('Mine').end();
  await shown(session, () => brief(session).at(-1) === 'done Mine', 'mine is answered');
});

test('a conversation that was deleted elsewhere says so, and keeps what was not sent', async () => {
  server.submit({ conversation_id: 'c1', message: 'hello' }).start().chunk('Hi').end();
  const session = open('c1');
  await shown(session, ({ messages }) => messages.length === 2, 'it is loaded');
  server.faults.set('POST', [{ status: 422 }]);
  await session.sendMessage('unsent');
  session.dismissError();
  server.conversations.delete('c1');
  await shown(session, ({ isMissing }) => isMissing, 'it is told');
  expect(brief(session)).toEqual(['failed unsent']);
  const before = server.asked.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(server.asked.length).toBe(before);
});
