import { beforeEach, expect, test, vi } from 'vitest';
import { Backoff } from '../backoff.js';
import { HeadraceError } from '../error.js';

const waited: number[] = [];
let offline = false;

vi.mock('../network.js', () => ({
  isOffline: () => offline,
  pause: (ms: number) => {
    waited.push(ms);
    return Promise.resolve();
  },
}));

const { signal } = new AbortController();
const busy = (retryAfterMs?: number) => new HeadraceError('Busy.', { code: 'too_busy', retryable: true, retryAfterMs });

beforeEach(() => {
  waited.length = 0;
  offline = false;
});

test('delays double, and no two readers come back together', async () => {
  const readers = [new Backoff(100, 10_000), new Backoff(100, 10_000)];
  for (const reader of readers) for (let n = 0; n < 4; n += 1) await reader.wait(busy(), 0, signal);
  const [first, second] = [waited.slice(0, 4), waited.slice(4)];
  for (const delays of [first, second]) {
    for (const [n, delay] of delays.entries()) {
      expect(delay).toBeGreaterThanOrEqual(100 * 2 ** n);
      expect(delay).toBeLessThanOrEqual(150 * 2 ** n);
    }
  }
  expect(first).not.toEqual(second);
});

test('the server may ask for more, never for less', async () => {
  const backoff = new Backoff(100, 20_000);
  await backoff.wait(busy(5_000), 0, signal);
  await backoff.wait(busy(1), 0, signal);
  await new Backoff(100, 20_000).wait(busy(5_000), 0, signal);
  expect(waited[0]).toBeGreaterThanOrEqual(5_000);
  expect(waited[0]).toBeLessThanOrEqual(7_500);
  expect(waited[1]).toBeGreaterThanOrEqual(200);
  // Not even where it tells all of them the same.
  expect(waited[2]).not.toBe(waited[0]);
});

test('delays have a bound, which the server may set', async () => {
  for (const [baseMs, bound] of [
    [100, 15_000],
    [60_000, 60_000],
  ] as const) {
    const backoff = new Backoff(baseMs, Number.POSITIVE_INFINITY);
    for (let n = 0; n < 20; n += 1) await backoff.wait(busy(), 0, signal);
    expect(waited.at(-1)).toBeGreaterThanOrEqual(bound);
    expect(waited.at(-1)).toBeLessThanOrEqual(1.5 * bound);
  }
});

test('time without progress is bounded, and progress begins it anew', async () => {
  const backoff = new Backoff(1, 1_000);
  await backoff.wait(busy(), 600, signal);
  backoff.progressed();
  await backoff.wait(busy(), 600, signal);
  await expect(backoff.wait(busy(), 600, signal)).rejects.toThrow('Busy.');
  expect(waited).toHaveLength(2);
  const away = new Backoff(1, 1_000);
  offline = true;
  for (let n = 0; n < 5; n += 1) await away.wait(busy(), 600, signal);
  offline = false;
  await away.wait(busy(), 600, signal);
});

test('what is final is not waited for', async () => {
  const refused = new HeadraceError('No.', { code: 'unauthorized', retryable: false });
  await expect(new Backoff(1, 1_000).wait(refused, 0, signal)).rejects.toThrow('No.');
  expect(waited).toEqual([]);
});
