import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HeadraceClient, type StreamEvent } from '../index.js';
import { ChatServer } from './chat_server.js';
import { eventually } from './eventually.js';
import { Generation } from './generation.js';

const FAST = { retryMs: 5, giveUpMs: 8_000, giveUpStartMs: 8_000 };

interface Reader {
  events: StreamEvent[];
  text: () => string;
  leave: AbortController;
  done: Promise<void>;
}

let server: ChatServer;
let generation: Generation;
let readers: Reader[];
beforeEach(async () => {
  server = await ChatServer.open();
  generation = server.add(new Generation('shared', 'c1')).start().chunk('a');
  readers = [];
});
afterEach(async () => {
  for (const { leave } of readers) leave.abort();
  await Promise.all(readers.map(({ done }) => done));
  await server.close();
});

/** Another page of the browser that reads *id*. */
function page(id = 'shared'): Reader {
  const client = new HeadraceClient({ baseUrl: server.url, ...FAST, share: true });
  const events: StreamEvent[] = [];
  const leave = new AbortController();
  const read = async () => {
    for await (const event of client.attach(id, { signal: leave.signal })) events.push(event);
  };
  const done = read().catch((error: unknown) => {
    if (!leave.signal.aborted) throw error;
  });
  const text = () => events.map((event) => (event.type === 'chunk' ? event.text : '')).join('');
  readers.push({ events, text, leave, done });
  return readers.at(-1) as Reader;
}

/** Every page has read all of it, once and in order. */
async function all(text: string, pages = readers): Promise<void> {
  await eventually(
    () => pages.every((one) => one.text().length >= text.length),
    `all have ${text}: ${pages.map((one) => one.text())}`,
    8_000,
  );
  for (const one of pages) expect(one.text()).toBe(text);
}

const streams = () => [...server.generations.values()].reduce((sum, one) => sum + one.readers.size, 0);
const requests = () => server.asked.filter(({ path }) => path.endsWith('/stream')).length;

/** What a page of the browser says that does nothing else. */
function ghost(position: string | null, isHidden = false) {
  const channel = new BroadcastChannel('headrace.streams.1');
  const at = { reader: 'ghost', generationId: 'shared', isHidden, since: 1, connection: 'open', isNew: false };
  return {
    beat: () => channel.postMessage({ kind: 'beat', ...at, position }),
    say: (message: unknown) => channel.postMessage(message),
    close: () => channel.close(),
  };
}

describe('pages that read the same reply', () => {
  test('share one stream, and have all of it', async () => {
    for (let n = 0; n < 5; n += 1) page();
    await all('a');
    await eventually(() => streams() === 1, 'one stream is left');
    const before = requests();
    for (const letter of 'bcdefgh') generation.chunk(letter);
    await all('abcdefgh');
    generation.reset().chunk('again').end();
    await Promise.all(readers.map(({ done }) => done));
    for (const { events } of readers) {
      expect(events.map(({ position }) => position)).toEqual(readers[0]?.events.map(({ position }) => position));
      expect(events.at(-1)?.type).toBe('end');
    }
    expect(requests()).toBe(before);
  });

  test('go on when the one that leads leaves, each time', async () => {
    const others = new BroadcastChannel('headrace.streams.1');
    let left = 0;
    others.onmessage = ({ data }) => {
      left += Number(data.kind === 'left');
    };
    for (let n = 0; n < 3; n += 1) page();
    await all('a');
    await eventually(() => streams() === 1, 'one stream is left');
    let said = 'a';
    for (const letter of 'bc') {
      readers.shift()?.leave.abort();
      generation.chunk(letter);
      said += letter;
      await all(said);
      await eventually(() => streams() === 1, 'another leads');
    }
    await eventually(() => left === 2, 'those that leave say so');
    others.close();
    generation.end();
    await Promise.all(readers.map(({ done }) => done));
  });

  test('are led by one that is seen, and not by one whose timers are late', async () => {
    const hidden = ghost('1-1', true);
    const one = page();
    await all('a');
    hidden.beat();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(streams()).toBe(1);
    generation.chunk('b').end();
    await one.done;
    expect(one.text()).toBe('ab');
    hidden.close();
  });

  test('go on when the one that leads says nothing any more', async () => {
    const frozen = ghost('1-1');
    const one = page();
    await all('a');
    frozen.beat();
    await eventually(() => streams() === 0, 'it is fed');
    generation.chunk('b').end();
    expect(one.text()).toBe('a');
    await one.done;
    expect(one.text()).toBe('ab');
    frozen.close();
  });

  test('heal from the log what they were not fed', async () => {
    const careless = ghost('1-2');
    const one = page();
    await all('a');
    careless.beat();
    await eventually(() => streams() === 0, 'it is fed');
    generation.chunk('b');
    const { frame } = generation.log[2] ?? { frame: '' };
    const data = frame.split('data: ')[1]?.trim() ?? '';
    const strange = [null, 7, {}, { kind: 'later' }, { kind: 'frame', generationId: 'other', id: '1-2', data }];
    for (const message of strange) careless.say(message);
    // It is there, and goes on saying that it has read on.
    const alive = setInterval(careless.beat, 500);
    await all('ab');
    generation.chunk('c');
    careless.say({ kind: 'frame', generationId: 'shared', reader: 'ghost', id: '1-9', data });
    await all('abc');
    clearInterval(alive);
    careless.say({ kind: 'left', reader: 'ghost' });
    generation.end();
    await one.done;
    careless.close();
  });
});

test('streams of many replies leave connections for everything else', async () => {
  const generations = ['1', '2', '3', '4', '5', '6', '7'].map((id) => server.add(new Generation(id, `c${id}`)).start());
  const pages = generations.map(({ id }) => page(id));
  await eventually(() => streams() > 0 && streams() <= 4, 'four streams are left');
  for (const one of generations) one.chunk('x');
  await all('x', pages);
  await eventually(() => streams() <= 4, 'four streams are left');
  for (const one of generations) one.end();
  await Promise.all(pages.map(({ done }) => done));
});

test('a call that does not get through takes the place of the streams', async () => {
  page();
  await all('a');
  const before = requests();
  const stuck = new HeadraceClient({
    baseUrl: server.url,
    share: true,
    fetch: async (...call) => {
      await eventually(() => requests() > before, 'the stream is given up, and made anew');
      return fetch(...call);
    },
  });
  expect(await stuck.cancel('shared')).toMatchObject({ status: 'cancelled' });
});
