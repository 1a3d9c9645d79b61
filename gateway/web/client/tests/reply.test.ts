import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HeadraceClient, HeadraceError, type Reply, type StreamEvent } from '../index.js';
import { ChatServer, type Fault } from './chat_server.js';
import { eventually } from './eventually.js';
import { Generation } from './generation.js';

const RECORDED = readFileSync(new URL('../../corpus/recorded.sse', import.meta.url), 'utf8');
const FAST = { retryMs: 1, giveUpMs: 4_000, giveUpStartMs: 400 };

let server: ChatServer;
let client: HeadraceClient;
beforeEach(async () => {
  server = await ChatServer.open();
  client = new HeadraceClient({ baseUrl: server.url, ...FAST });
});
afterEach(() => server.close());

/** A finished generation, recorded from a real server, whose first connections suffer these. */
function recorded(id: string, ...faults: Fault[]): string {
  server.add(Generation.recorded(id, RECORDED));
  server.faults.set(id, faults);
  return id;
}

async function read(reply: Reply): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of reply) events.push(event);
  return events;
}

async function failure(work: Promise<unknown>): Promise<HeadraceError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HeadraceError);
  return error as HeadraceError;
}

describe('a recorded stream', () => {
  let whole: StreamEvent[];
  beforeEach(async () => {
    whole = await read(client.attach(recorded('whole')));
    expect(whole.map(({ position }) => position)).toEqual(server.generations.get('whole')?.log.map((e) => e.position));
    expect(whole.at(-1)?.type).toBe('end');
  });

  test('resumed after every event is the tail', async () => {
    const id = recorded('tails');
    const tails = whole.map((event, index) => [index, client.attach(id, { after: event.position ?? '' })] as const);
    for (const [index, reply] of tails) expect(await read(reply)).toEqual(whole.slice(index + 1));
  });

  test('ended after every event is read once, in order', async () => {
    const replies = whole.map((_, index) => client.attach(recorded(`end ${index}`, { endAfter: index })));
    for (const events of await Promise.all(replies.map(read))) expect(events).toEqual(whole);
  });

  test('cut at every byte of its first frames, and again thereafter, is read once, in order', async () => {
    for (let first = 0; first < 400; first += 100) {
      const bytes = [...Array(100).keys()].map((byte) => first + byte);
      const cut = (at: number) => recorded(`cut ${at}`, { cutAtByte: at }, { cutAtByte: 900 - at });
      const replies = bytes.map((at) => client.attach(cut(at)));
      for (const events of await Promise.all(replies.map(read))) expect(events).toEqual(whole);
    }
  });

  test('with every frame missing once is healed from the log', async () => {
    const replies = whole.map((_, index) => client.attach(recorded(`skip ${index}`, { skip: index })));
    for (const events of await Promise.all(replies.map(read))) expect(events).toEqual(whole);
  });

  test.each([
    ['a server that begins anew', [{ endAfter: 9 }, { repeat: true }]],
    ['a refused connection', [{ endAfter: 9 }, { refuse: true }, { refuse: true }]],
    ['503 and 429', [{ status: 503 }, { endAfter: 9 }, { status: 429, retryAfter: '0' }]],
    ['a proxy that fails', [{ status: 502 }, { status: 504 }]],
    ['everything at once', [{ refuse: true }, { skip: 3 }, { cutAtByte: 2_000 }, { repeat: true, endAfter: 30 }]],
  ] satisfies [string, Fault[]][])('outlives %s', async (_, faults) => {
    expect(await read(client.attach(recorded('faulty', ...faults)))).toEqual(whole);
    expect(server.faults.get('faulty')).toEqual([]);
  });

  test.each([
    ['before the first frame', [{ stallAfter: 0 }]],
    ['in the middle, twice', [{ stallAfter: 20 }, { stallAfter: 20 }]],
  ] satisfies [string, Fault[]][])('outlives silence %s', async (_, faults) => {
    server.heartbeatMs = 40;
    expect(await read(client.attach(recorded('silent', ...faults)))).toEqual(whole);
    expect(server.faults.get('silent')).toEqual([]);
  });

  test('waits as long as Retry-After says', async () => {
    const began = Date.now();
    expect(await read(client.attach(recorded('later', { status: 503, retryAfter: '1' })))).toEqual(whole);
    expect(Date.now() - began).toBeGreaterThanOrEqual(995);
  });

  test('tells how its connection is', async () => {
    const told: string[] = [];
    await read(client.attach(recorded('told', { endAfter: 3 }), { onConnection: (state) => told.push(state) }));
    expect(told).toEqual(['connecting', 'open', 'reconnecting', 'open', 'idle']);
  });
});

describe('what this client does not understand', () => {
  const strange = [
    ['a type that came later', (position: string) => `id: ${position}\ndata: {"type":"part","content":{}}\n\n`],
    ['no JSON', (position: string) => `id: ${position}\ndata: {"type":"chu\n\n`],
    ['no object', (position: string) => `id: ${position}\ndata: null\n\n`],
    ['no type', (position: string) => `id: ${position}\nevent: later\ndata: {}\n\n`],
    ['a call that is none', (position: string) => `id: ${position}\ndata: {"type":"tool_call","content":""}\n\n`],
  ] as const;

  test.each(strange)('is skipped and told, and its position counts: %s', async (_, frame) => {
    const generation = server.add(new Generation('live', 'c1')).start().chunk('a').raw(frame).chunk('b');
    generation.raw(() => 'data: {"type":"without a place"}\n\n', false).end();
    server.faults.set('live', [{ endAfter: 3 }]);
    const told: unknown[] = [];
    const tolerant = new HeadraceClient({ baseUrl: server.url, ...FAST, onUnknown: (it) => told.push(it.position) });
    const events = await read(tolerant.attach('live'));
    expect(events.map(({ type }) => type)).toEqual(['start', 'chunk', 'chunk', 'end']);
    expect(told).toEqual(['1-2', null]);
    expect(server.asked.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '1-2']);
  });

  test('is told to the console once', async () => {
    const debug = vi.spyOn(console, 'debug').mockImplementation(() => {});
    const later = (position: string) => `id: ${position}\ndata: {"type":"later"}\n\n`;
    server.add(new Generation('live', 'c1')).start().raw(later).raw(later).chunk('a').end();
    expect(await read(client.attach('live'))).toHaveLength(3);
    expect(debug).toHaveBeenCalledTimes(1);
  });

  test('a place that is none is not a place: its text comes from the log', async () => {
    const generation = server.add(new Generation('live', 'c1')).start().chunk('a', 'b').end();
    const whole = generation.log[1]?.frame ?? '';
    if (generation.log[1]) generation.log[1].frame = whole.replace('id: 1-1', 'id: later');
    server.faults.set('live', [{}, { endAfter: 0 }]);
    const events: StreamEvent[] = [];
    for await (const event of client.attach('live')) {
      events.push(event);
      if (generation.log[1]) generation.log[1].frame = whole;
    }
    expect(events.map((event) => event.type === 'chunk' && event.text)).toEqual([false, 'a', 'b', false]);
  });
});

describe('sending', () => {
  const request = { message: 'hello', conversationId: 'c1', maxTokens: 5 };
  const answer = (generation: Generation) => void generation.start().chunk('Hi').end();

  test.each([
    ['is refused', { refuse: true }],
    ['is accepted and its answer lost', { lose: true }],
    ['meets 503', { status: 503, retryAfter: '0' }],
    ['is cut after its head', { cutAtByte: 0 }],
    ['is cut in its first frame', { cutAtByte: 30 }],
  ] satisfies [string, Fault][])('counts once when it %s', async (_, fault) => {
    server.answer = answer;
    server.faults.set('POST', [fault, fault]);
    const reply = client.start(request);
    const events = await read(reply);
    expect(events.map(({ type }) => type)).toEqual(['start', 'chunk', 'end']);
    expect(server.generations.size).toBe(1);
    expect(reply.generationId).toBe(server.latest.id);
    const keys = server.asked
      .filter(({ method }) => method === 'POST')
      .map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(1);
    expect(server.asked[0]?.body).toEqual({ message: 'hello', conversation_id: 'c1', max_tokens: 5 });
  });

  test('is not repeated when it is refused for good', async () => {
    server.faults.set('POST', [{ status: 422 }]);
    const reply = client.start(request);
    const error = await failure(read(reply));
    expect([error.code, error.status, error.retryable]).toEqual(['told_to', 422, false]);
    await expect(reply.accepted).rejects.toBe(error);
    expect(server.asked).toHaveLength(1);
  });

  test('is given up soon when nobody is there', async () => {
    server.down = true;
    const error = await failure(read(client.start(request)));
    expect([error.code, error.retryable]).toEqual(['unreachable', true]);
    expect(server.asked.length).toBeGreaterThan(2);
  });

  test('does not wait longer than it may', async () => {
    server.faults.set('POST', [{ status: 429, retryAfter: '3600' }]);
    const began = Date.now();
    const error = await failure(read(client.start(request)));
    expect(error.retryAfterMs).toBe(3_600_000);
    expect(Date.now() - began).toBeLessThan(1_000);
  });

  test('carries all that it is to be answered by', async () => {
    server.answer = answer;
    const settings = { model: 'own', systemPrompt: 'Be kind.' };
    const more = { onBusy: 'interrupt', onDisconnect: 'cancel', multimodal: true, replaces: 'g0', model: 'm' } as const;
    const told: string[] = [];
    const telling = new HeadraceClient({ baseUrl: server.url, ...FAST, onConnection: (state) => told.push(state) });
    const reply = telling.start({ ...request, ...more, settings });
    await read(reply);
    expect(server.asked[0]?.body).toEqual({
      message: 'hello',
      conversation_id: 'c1',
      max_tokens: 5,
      model: 'm',
      on_busy: 'interrupt',
      on_disconnect: 'cancel',
      multimodal: true,
      replaces: 'g0',
      settings: { model: 'own', system_prompt: 'Be kind.' },
    });
    expect(told).toEqual(['connecting', 'open', 'idle']);
  });

  test('carries the key', async () => {
    server.answer = answer;
    client.apiKey = 'secret';
    await read(client.start(request));
    expect(server.asked[0]?.headers.authorization).toBe('Bearer secret');
  });
});

describe('a reply on its way', () => {
  let generation: Generation;
  beforeEach(() => {
    generation = server.add(new Generation('live', 'c1'));
  });

  test('says that it waits, and goes on with another attempt', async () => {
    const reading = read(client.attach('live'));
    await eventually(() => generation.readers.size === 1, 'it is read');
    generation.queued(2).start().chunk('Wrong').reset().chunk('Right').nextAttempt().chunk(' again').end();
    const events = await reading;
    expect(events.map(({ type }) => type)).toEqual(['queued', 'start', 'chunk', 'reset', 'chunk', 'chunk', 'end']);
    expect(events.map(({ position }) => position)).toEqual([null, '1-0', '1-1', '2-0', '2-1', '3-0', '3-1']);
  });

  test('ends with its error, which is an event', async () => {
    generation.start().chunk('Hal').fail('upstream_broke', 'It broke.');
    const last = (await read(client.attach('live'))).at(-1);
    expect(last).toMatchObject({ type: 'error', code: 'upstream_broke', message: 'It broke.', retryable: true });
  });

  test('that this reader may read no more of has not failed: its key is refused', async () => {
    const said = { type: 'error', content: 'Revoked.', metadata: { code: 'access_ended', retryable: false } };
    generation
      .start()
      .chunk('Hal')
      .raw(() => `data: ${JSON.stringify(said)}\n\n`, false);
    const refused = await failure(read(client.attach('live')));
    expect(refused).toMatchObject({ code: 'access_ended', message: 'Revoked.', status: 401, retryable: false });
  });

  test('is no longer read once its signal fires; it goes on', async () => {
    generation.start();
    const leave = new AbortController();
    const reply = client.attach('live', { signal: leave.signal });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of reply) {
        seen.push(event.type);
        leave.abort(new Error('enough'));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    await eventually(() => generation.readers.size === 0, 'the server sees it leave');
    expect(seen).toEqual(['start']);
    expect(generation.ended).toBe(false);
    expect(server.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  test('is no longer read once its loop is left', async () => {
    generation.start().chunk('a', 'b');
    for await (const event of client.attach('live')) if (event.type === 'chunk') break;
    await eventually(() => generation.readers.size === 0, 'the server sees it leave');
  });

  test('is given up when it makes no progress for too long', async () => {
    const impatient = new HeadraceClient({ baseUrl: server.url, ...FAST, giveUpMs: 100 });
    generation.start().chunk('a');
    server.faults.set('live', [{ endAfter: 1 }]);
    const events: StreamEvent[] = [];
    const reading = (async () => {
      for await (const event of impatient.attach('live')) {
        events.push(event);
        server.down = true;
      }
    })();
    expect((await failure(reading)).retryable).toBe(true);
    expect(events).toHaveLength(1);
  });

  test('has made progress where the server was there, and had nothing to say', async () => {
    const impatient = new HeadraceClient({ baseUrl: server.url, ...FAST, giveUpMs: 400 });
    server.retryMs = 40;
    generation.start().chunk('a');
    server.faults.set('live', [{ endAfter: 1 }, ...Array<Fault>(6).fill({ beats: true })]);
    const reading = read(impatient.attach('live'));
    await eventually(() => server.faults.get('live')?.length === 0, 'it has come back each time');
    generation.end();
    expect((await reading).at(-1)?.type).toBe('end');
  });

  test('outlives a connection that was open for long, and comes back as soon as the server says', async () => {
    server.heartbeatMs = 100;
    const patient = new HeadraceClient({ baseUrl: server.url, retryMs: 60_000, giveUpMs: 1_000 });
    const reading = read(patient.attach('live'));
    await eventually(() => generation.readers.size === 1, 'it is read');
    const [hour, now] = [3_600_000, Date.now];
    const later = vi.spyOn(Date, 'now').mockImplementation(() => now() + hour);
    server.cut(generation);
    generation.start().chunk('a').end();
    expect((await reading).at(-1)?.type).toBe('end');
    later.mockRestore();
  });

  test('is read as long as anything arrives, and for longer than one that was never accepted', async () => {
    vi.useFakeTimers();
    let asked = 0;
    let body!: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (into) => {
        body = into;
      },
    });
    const answer = async () => {
      asked += 1;
      if (asked <= 5) throw new TypeError('away');
      return new Response(stream, { headers: { 'X-Heartbeat-Ms': '1000' } });
    };
    const patient = new HeadraceClient({
      fetch: answer,
      share: false,
      retryMs: 1_000,
      giveUpStartMs: 1,
      giveUpMs: 60_000,
    });
    const reading = read(patient.attach('live'));
    for (let s = 0; s < 60 && asked < 6; s += 1) await vi.advanceTimersByTimeAsync(1_000);
    for (let beats = 0; beats < 5; beats += 1) {
      body.enqueue(Buffer.from(': beat\n\n'));
      await vi.advanceTimersByTimeAsync(2_000);
    }
    const end = { type: 'end', metadata: { finish_reason: 'stop' } };
    body.enqueue(Buffer.from(`id: 1-0\ndata: ${JSON.stringify(end)}\n\n`));
    await vi.advanceTimersByTimeAsync(0);
    vi.useRealTimers();
    expect([(await reading).map(({ type }) => type), asked]).toEqual([['end'], 6]);
  });

  test('whose log has expired says so', async () => {
    generation.expired = true;
    const error = await failure(read(client.attach('live')));
    expect([error.code, error.status]).toEqual(['gone', 410]);
  });

  test('that nobody knows says so', async () => {
    expect((await failure(read(client.attach('gen_none')))).status).toBe(404);
  });

  test('is cancelled with a receipt', async () => {
    generation.start().chunk('Hal');
    const reading = read(client.attach('live'));
    await eventually(() => generation.readers.size === 1, 'it is read');
    expect(await client.cancel('live')).toMatchObject({ status: 'cancelled', state: 'cancelled' });
    expect((await reading).at(-1)).toMatchObject({ type: 'end', finishReason: 'cancelled', reason: 'user' });
    expect(await client.cancel('live')).toMatchObject({ status: 'already_ended' });
  });
});
