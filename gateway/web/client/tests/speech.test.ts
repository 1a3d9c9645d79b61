import { expect, test, vi } from 'vitest';
import { HeadraceClient, type SpeechEvent } from '../index.js';

const frame = (id: string, said: object) => `id: ${id}\ndata: ${JSON.stringify(said)}\n\n`;
const piece = (id: string, letter: string, more: object = {}) =>
  frame(id, { type: 'audio', audio: btoa(letter), start: 0, end: 6, ms: 10, ...more });

/** A server that gives these bodies one after another; it remembers what it was asked. */
function speaker(...answers: (string | number)[]) {
  const asked: [string, string | null][] = [];
  const bodies: unknown[] = [];
  const answer: typeof fetch = async (url, init) => {
    if (init?.body) bodies.push(JSON.parse(String(init.body)));
    asked.push([String(url), new Headers(init?.headers).get('Last-Event-ID')]);
    const next = answers.shift() ?? '';
    if (typeof next === 'number') return Response.json({ error: { code: 'not_found' } }, { status: next });
    return new Response(next, { headers: { Location: '/api/tts/s1/stream' } });
  };
  return { asked, bodies, client: new HeadraceClient({ fetch: answer, share: false }) };
}

async function all(speech: AsyncGenerator<SpeechEvent>): Promise<SpeechEvent[]> {
  const events: SpeechEvent[] = [];
  for await (const event of speech) events.push(event);
  return events;
}

test('a speech that breaks off goes on where it was, each sentence once and whole', async () => {
  const { asked, client } = speaker(
    piece('1-1', 'a', { last: true }) + piece('1-2', 'b'),
    piece('1-3', 'c', { last: true, start: 6, end: 9 }) + frame('1-4', { type: 'end', finish_reason: 'stop' }),
  );
  const events = await all(client.speech('gen_1', { format: 'mp3' }));
  const sounds = events.map((event) => event.type === 'sentence' && new TextDecoder().decode(event.sound));
  expect(sounds).toEqual(['a', 'bc', false]);
  expect(events.map((event) => event.type === 'sentence' && event.ms)).toEqual([10, 20, false]);
  expect(events.at(-1)).toEqual({ type: 'end', finishReason: 'stop' });
  expect(asked).toEqual([
    ['/api/chat/gen_1/speech?stream_format=sse&format=mp3', null],
    ['/api/tts/s1/stream?stream_format=sse', '1-2'],
  ]);
});

test('a reset voids what was begun; an error is thrown', async () => {
  const { asked, client } = speaker(
    piece('1-1', 'a') +
      frame('1-2', { type: 'reset' }) +
      piece('1-3', 'b', { last: true }) +
      frame('1-4', { type: 'error', code: 'speech_failed', message: 'No.' }),
  );
  const speech = client.speech('gen_1');
  expect((await speech.next()).value).toEqual({ type: 'reset' });
  const { value } = await speech.next();
  expect([new TextDecoder().decode(value.sound), value.ms]).toEqual(['b', 10]);
  await expect(speech.next()).rejects.toMatchObject({ code: 'speech_failed', retryable: false });
  expect(asked).toHaveLength(1);
});

test('what the server keeps no more is spoken by its text', async () => {
  const { asked, bodies, client } = speaker(404, frame('1-1', { type: 'end', finish_reason: 'stop' }), 403);
  expect(await all(client.speech('gen_1', { text: 'Hello.', voice: 'ann' }))).toHaveLength(1);
  const [first, second] = ['/api/chat/gen_1/speech?stream_format=sse&voice=ann', '/api/tts/stream'];
  expect(asked.map(([url]) => url)).toEqual([first, second]);
  expect(bodies).toEqual([{ text: 'Hello.', voice: 'ann', stream_format: 'sse' }]);
  await expect(all(client.speech('gen_1', { text: 'Hello.' }))).rejects.toMatchObject({ status: 403 });
});

test('who leaves a speech ends its request, and its body', async () => {
  const left = new Error('left');
  const leave = new AbortController();
  const silent: typeof fetch = (_, init) => {
    queueMicrotask(() => leave.abort(left));
    return new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(left)));
  };
  const client = new HeadraceClient({ fetch: silent, share: false });
  await expect(all(client.speech('gen_1', { signal: leave.signal }))).rejects.toBe(left);
  const cancel = vi.fn<() => void>();
  const start = (body: ReadableStreamDefaultController) => body.enqueue(Buffer.from(piece('1-1', 'a', { last: true })));
  const open = new HeadraceClient({
    fetch: async () => new Response(new ReadableStream({ start, cancel })),
    share: false,
  });
  for await (const event of open.speech('gen_1')) if (event.type === 'sentence') break;
  expect(cancel).toHaveBeenCalledTimes(1);
});
