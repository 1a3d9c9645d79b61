import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConversationDetail, GenerationStatus } from '../api.js';
import type { HeadraceClient, Seen } from '../client.js';
import { HeadraceError } from '../error.js';
import { Follower } from '../follower.js';
import { readToEnd, within } from '../reading.js';
import type { Reply } from '../reply.js';
import { Store } from '../store.js';
import { Turn } from '../turn.js';

describe('a reply that is read to its end', () => {
  const USAGE = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
  /** What comes of a reply whose stream ends like this, and whose record says that. */
  async function read(stream: HeadraceError | null, record: Partial<GenerationStatus> | HeadraceError) {
    const client = { status: async () => (record instanceof Error ? Promise.reject(record) : record) };
    const next = async () => (stream ? Promise.reject(stream) : { done: true });
    const reply = { [Symbol.asyncIterator]: () => ({ next }) } as unknown as Reply;
    const turn = new Turn('g1');
    await readToEnd(client as unknown as HeadraceClient, turn, reply, () => {});
    return turn;
  }
  const refused = (code: string, retryable = false) => new HeadraceError(`It is ${code}.`, { code, retryable });

  test.each([null, refused('gone'), refused('not_found')])('and has none is as its record says: %s', async (stream) => {
    const record = { state: 'done', text: 'Hi', usage: USAGE, finish_reason: 'length' } as const;
    expect((await read(stream, record)).message).toMatchObject({
      state: 'done',
      content: 'Hi',
      finishReason: 'length',
    });
    const running = await read(stream, { ...record, state: 'running', finish_reason: null });
    expect([running.ended, running.text]).toEqual([false, 'Hi']);
    const error = { code: 'upstream_broke', message: 'It broke.' };
    const failed = await read(stream, { ...record, state: 'failed', error });
    expect(failed.message).toMatchObject({ state: 'failed', error: { ...error, retryable: true } });
    expect((await read(stream, refused('forbidden'))).message).toMatchObject({ error: { code: 'forbidden' } });
  });

  test('or was only lost sight of, says which', async () => {
    const lost = await read(refused('unreachable', true), {});
    expect([lost.isLost, lost.message.finishReason, lost.error?.code]).toEqual([true, undefined, 'unreachable']);
    expect((await read(refused('forbidden'), {})).isLost).toBe(false);
  });

  test('is waited for no longer than it may take', async () => {
    vi.useFakeTimers();
    const late = within(100, new Promise<string>(() => {}));
    await vi.advanceTimersByTimeAsync(100);
    expect(await late).toBeNull();
    expect([await within(100, Promise.resolve('x')), await within(100, Promise.reject(new Error('no')))]).toEqual([
      'x',
      null,
    ]);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

describe('a conversation that is followed', () => {
  let asked: { etag?: string | null; signal: AbortSignal; answer(detail: Partial<ConversationDetail> | Error): void }[];
  let store: Store;
  let follower: Follower;
  beforeEach(() => {
    asked = [];
    const conversation = (_: string, options: { etag?: string | null; signal: AbortSignal }) =>
      new Promise<Seen>((resolve, reject) => {
        const answer = (said: Partial<ConversationDetail> | Error) => {
          if (said instanceof Error) return reject(said);
          const known = { conversation: { title: 'T', active: null }, messages: [] };
          const detail = { ...known, ...said } as unknown as ConversationDetail;
          resolve({ changed: true, etag: `"${asked.length}"`, detail });
        };
        asked.push({ ...options, answer });
      });
    store = new Store('c1', false);
    const client = { conversation } as unknown as HeadraceClient;
    follower = new Follower(
      client,
      store,
      60_000,
      async () => {},
      () => {},
    );
    follower.open();
  });
  afterEach(() => follower.close());
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const stored = (content: string) => ({ messages: [{ role: 'user', content, ts: 1, generation_id: 'g1' }] as never });

  test('is as the server has it, and asked for again only where that has changed', async () => {
    const settings = { model: 'm', system_prompt: 'Be kind.', temperature: 0, max_tokens: 5 };
    const spent = { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }, cost: 1 };
    asked[0]?.answer({ ...stored('hello'), spent, conversation: { title: 'T', active: null, settings } as never });
    await settled();
    const wanted = { model: 'm', systemPrompt: 'Be kind.', temperature: 0, maxTokens: 5 };
    expect(store.snapshot).toMatchObject({ spent, title: 'T', settings: wanted, messages: [{ content: 'hello' }] });
    void follower.look();
    const other = { ...settings, system_prompt: 'Be short.' };
    asked[1]?.answer({ conversation: { title: '', active: null, settings: other } as never });
    await settled();
    expect(store.snapshot.settings).toEqual({ ...wanted, systemPrompt: 'Be short.' });
    void follower.look();
    asked[2]?.answer(new HeadraceError('It is gone.', { code: 'not_found', status: 404, retryable: false }));
    await settled();
    void follower.look();
    follower.close();
    follower.open();
    expect(asked.map(({ etag }) => etag)).toEqual([null, '"1"', '"2"', null]);
  });

  test('is looked at once more by who asks meanwhile', async () => {
    const looks = [follower.look(), follower.look()];
    expect(asked).toHaveLength(1);
    asked[0]?.answer({});
    await Promise.all(looks);
    expect(asked).toHaveLength(2);
    asked[1]?.answer({});
    await settled();
    expect(asked).toHaveLength(2);
  });

  test('is not set back by an answer that its user has overtaken, nor read on once it is closed', async () => {
    store.messages = [{ id: 'u', role: 'user', content: 'mine', createdAt: 1, state: 'done', generationId: 'g2' }];
    asked[0]?.answer(stored('old'));
    await settled();
    expect(store.messages.map(({ content }) => content)).toEqual(['mine']);
    void follower.look();
    follower.close();
    expect(asked[1]?.signal.aborted).toBe(true);
    asked[1]?.answer(stored('old'));
    await settled();
  });

  test('is read from the beginning of its open reply once it is opened again', async () => {
    asked[0]?.answer({});
    await settled();
    follower.close();
    follower.open();
    expect(asked.map(({ etag }) => etag)).toEqual([null, null]);
  });
});
