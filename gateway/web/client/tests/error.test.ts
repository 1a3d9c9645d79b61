import { expect, test } from 'vitest';
import { refusal, retryAfterMs } from '../error.js';
import { isAfter, roomEvent } from '../roomEvents.js';
import { Server } from '../server.js';

const NOW = Date.UTC(2030, 0, 1);

test('an error has all that the server says of it', async () => {
  const error = {
    code: 'busy',
    message: 'Wait.',
    retryable: true,
    field: 'message',
    detail: { generation_id: 'g', n: 1 },
  };
  expect(await refusal(Response.json({ error }, { status: 409, headers: { 'Retry-After': '2' } }))).toMatchObject({
    ...error,
    detail: { generation_id: 'g', n: '1' },
    status: 409,
    retryAfterMs: 2_000,
  });
  const final = Response.json({ error: { code: 'unavailable', retryable: false } }, { status: 503 });
  expect(await refusal(final)).toMatchObject({ retryable: false, field: undefined, detail: {} });
});

test('where it says nothing, or somebody in between does, its status tells whether it may pass', async () => {
  const passing: number[] = [];
  for (const status of [400, 401, 404, 408, 409, 413, 425, 429, 500, 501, 502, 503, 504]) {
    const error = await refusal(new Response('<html>', { status }));
    expect(error).toMatchObject({ code: 'http_error', message: `The server answered ${status}.` });
    if (error.retryable) passing.push(status);
  }
  expect(passing).toEqual([408, 425, 429, 500, 502, 503, 504]);
});

test.each([
  ['120', 120_000],
  [' 0 ', 0],
  [new Date(NOW + 3_000).toUTCString(), 3_000],
  [new Date(NOW - 3_000).toUTCString(), 0],
  ['soon', undefined],
  [null, undefined],
])('Retry-After: %s', (header, ms) => {
  expect(retryAfterMs(header, NOW)).toBe(ms);
});

test('what was written for another server, or under another key, is told apart, and no key is said', () => {
  const scope = (baseUrl?: string, apiKey?: string) => new Server({ baseUrl, apiKey }).scope;
  const all = [scope(), scope('http://a'), scope('http://b'), scope('http://a', 'secret'), scope('http://a', 'other')];
  expect(new Set(all).size).toBe(all.length);
  expect(scope('http://a//', 'secret')).toBe(scope('http://a', 'secret'));
  expect(all.join()).not.toContain('secret');
});

test('a request says what it carries, and who sends it', async () => {
  const sent: { url: string; headers: Headers; body: unknown }[] = [];
  const ask: typeof fetch = async (url, init) => {
    sent.push({ url: String(url), headers: new Headers(init?.headers), body: init?.body });
    return new Response();
  };
  const server = new Server({ baseUrl: 'http://a/', apiKey: 'secret', fetch: ask });
  const { signal } = new AbortController();
  const file = new Blob(['x']);
  await server.request('GET', '/1', { signal });
  await server.request('POST', '/2', { body: { a: 1 }, signal });
  await server.request('POST', '/3', { file, signal });
  expect(sent.map(({ url, headers, body }) => [url, headers.get('Content-Type'), body])).toEqual([
    ['http://a/1', null, null],
    ['http://a/2', 'application/json', '{"a":1}'],
    ['http://a/3', 'application/octet-stream', file],
  ]);
  expect(sent.every(({ headers }) => headers.get('Authorization') === 'Bearer secret')).toBe(true);
});

test('an entry of a room comes after another by its number, and after all of another life', () => {
  const after = (next: string, last: string) => isAfter(next, last);
  expect([after('a-2', 'a-1'), after('a-10', 'a-9'), after('b-1', 'a-9')]).toEqual([true, true, true]);
  expect([after('a-1', 'a-1'), after('a-9', 'a-10')]).toEqual([false, false]);
});

test('what a room says without what it takes is not heard', () => {
  const said = { type: 'error', code: 'busy', message: 'Wait.' };
  expect(roomEvent(JSON.stringify(said))).toEqual(said);
  for (const lacks of [
    '{"type":"error","code":"busy"}',
    '{"type":"stopped","position":1}',
    '{"type":"x"}',
    'null',
    '{',
  ])
    expect(roomEvent(lacks)).toBeNull();
});
