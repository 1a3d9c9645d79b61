import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseEvent } from '../events.js';
import { type Frame, FrameReader } from '../frames.js';

interface Case {
  name: string;
  stream?: string;
  hex?: string;
  frames: Frame[];
  last_event_id: string;
  retry_ms: number | null;
  comments: string[];
  events?: object[];
}

const CORPUS = new URL('../../corpus/', import.meta.url);
const FILES = readdirSync(CORPUS).filter((file) => file.endsWith('.json'));
const CASES = FILES.flatMap((file) => JSON.parse(readFileSync(new URL(file, CORPUS), 'utf8')) as Case[]);

/** All bytes at once, one by one, and cut in two at every place. */
function* cuttings(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes];
  yield [...bytes].map((byte) => Uint8Array.of(byte));
  for (let at = 1; at < bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

test('the corpus is there', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(60);
});

function bytes(one: Case): Uint8Array {
  return one.hex === undefined ? Buffer.from(one.stream ?? '') : Buffer.from(one.hex, 'hex');
}

test.each(CASES)('$name: reads the same wherever it is cut', (one) => {
  const wanted = one.frames.map(({ data, event, id }) => ({ data, event, id }));
  for (const reads of cuttings(bytes(one))) {
    const comments: string[] = [];
    const reader = new FrameReader((comment) => comments.push(comment));
    expect(reads.flatMap((read) => reader.feed(read))).toEqual(wanted);
    expect([reader.lastEventId, reader.retryMs]).toEqual([one.last_event_id, one.retry_ms]);
    expect(comments).toEqual(one.comments);
  }
});

test.each(CASES.filter((one) => one.events))('$name: means its events', (one) => {
  const events = new FrameReader().feed(bytes(one)).map((frame) => parseEvent(frame.data, frame.id));
  expect(events).toEqual(one.events);
});

test('a frame without end is refused, not kept', () => {
  const reader = new FrameReader();
  const megabyte = new Uint8Array(1024 * 1024).fill(120);
  reader.feed(Buffer.from('data: '));
  expect(() => {
    for (let n = 0; n < 5; n += 1) reader.feed(megabyte);
  }).toThrow(expect.objectContaining({ code: 'invalid_frame', retryable: false }));
});

test.each([
  '',
  'not json',
  '[]',
  '"text"',
  'null',
  '{"content":"x"}',
  '{"type":7}',
  '{"type":"later","content":"x"}',
  '{"type":"chunk","content":{"text":"x"}}',
  '{"type":"tool_call","metadata":{"tool_call":[]}}',
])('%s is skipped, not fatal', (data) => {
  expect(parseEvent(data, '1-0')).toEqual({ type: 'unknown', position: '1-0' });
  expect(parseEvent(data, null)).toEqual({ type: 'unknown', position: null });
});

test.each([
  [
    'a chunk',
    { type: 'chunk', content: 'x', metadata: { tokens: 'many', later: {} }, later: [] },
    { text: 'x', tokens: 0 },
  ],
  ['no metadata', { type: 'chunk', content: 'x', metadata: null, timestamp: 9 }, { text: 'x' }],
  [
    'an end',
    { type: 'end', metadata: { usage: { prompt_tokens: 'x', later: 1 } } },
    { usage: { prompt_tokens: 0, later: 1 } },
  ],
  ['an error', { type: 'error', content: ['x'], metadata: { retryable: 'yes' } }, { message: '', retryable: false }],
  ['an event of no time', { type: 'reset', timestamp: 'soon' }, { ts: expect.toSatisfy(Number.isInteger) }],
  ['one that goes on', { type: 'start', metadata: { continues: 'gen_1' } }, { continues: 'gen_1' }],
  ['a given chunk', { type: 'chunk', content: 'x', metadata: { given: true } }, { given: true }],
  ['given reasoning', { type: 'reasoning', content: 'x', metadata: { given: true } }, { given: true }],
  [
    'a typed chunk',
    { type: 'chunk', content: 'x', contentType: 'code', data: { language: 'c' } },
    { contentType: 'code', data: { language: 'c' } },
  ],
])('%s with fields of another version is what it was', (_, frame, wanted) => {
  expect(parseEvent(JSON.stringify(frame), '1-4')).toMatchObject({ type: frame.type, position: '1-4', ...wanted });
});
