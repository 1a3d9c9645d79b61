import { expect, test } from 'vitest';
import { EvenFlow, MOST_BEHIND_MS } from '../markdown/evenFlow.ts';

const FRAME_MS = 16;

/** What is shown at each frame of a text of which *burst* characters come every *everyMs*. */
function shown(burst: number, everyMs: number, forMs: number): { at: number; there: number; shown: number }[] {
  const flow = new EvenFlow(0);
  const frames = [];
  let there = 0;
  for (let at = 0; at < forMs; at += 1) {
    if (at % everyMs === 0) {
      there += burst;
      flow.take(there, at);
    }
    if (at % FRAME_MS === 0) frames.push({ at, there, shown: flow.at(at) });
  }
  return frames;
}

test.each([
  [1, 7],
  [20, 100],
  [60, 220],
  [400, 600],
  [1, 1000],
])('%d characters every %d ms: never ahead, back or later than a quarter of a second', (burst, everyMs) => {
  let before = 0;
  for (const { at, there, shown: length } of shown(burst, everyMs, 5000)) {
    const due = at < MOST_BEHIND_MS ? 0 : (Math.floor((at - MOST_BEHIND_MS) / everyMs) + 1) * burst;
    expect(length).toBeGreaterThanOrEqual(Math.max(before, due));
    expect(length).toBeLessThanOrEqual(there);
    before = length;
  }
});

test('bursts are spread: no frame shows more than a small part of one', () => {
  const frames = shown(40, 200, 5000).slice(30);
  const steps = frames.slice(1).map((frame, index) => frame.shown - (frames[index]?.shown ?? 0));
  expect(Math.max(...steps)).toBeLessThan(8);
  expect(Math.min(...steps)).toBeGreaterThan(0);
});

test('what is skipped is whole at once', () => {
  const flow = new EvenFlow(3);
  expect(flow.isWhole).toBe(true);
  flow.take(100, 0);
  expect(flow.isWhole).toBe(false);
  flow.skip(120);
  expect(flow.isWhole).toBe(true);
  expect(flow.at(1)).toBe(120);
});
