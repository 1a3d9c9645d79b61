import { webcrypto } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { retryAfterMs } from '../error.js';
import type { ChatMessage } from '../messages.js';
import { type Position, parsePosition, relation } from '../position.js';
import { Rate } from '../rate.js';
import { inPlace, inTurn, merge } from '../transcript.js';
import { Turn } from '../turn.js';
import { uuid } from '../uuid.js';

test.each([
  [null, undefined],
  ['0', 0],
  [' 12 ', 12_000],
  ['Sun, 22 Nov 2026 16:00:30 GMT', 30_000],
  ['Sun, 22 Nov 2026 15:00:00 GMT', 0],
  ['soon', undefined],
])('Retry-After %s is %s ms', (header, ms) => {
  expect(retryAfterMs(header, Date.UTC(2026, 10, 22, 16))).toBe(ms);
});

test('a UUID can be had without a secure context', () => {
  vi.stubGlobal('crypto', { getRandomValues: (into: Uint8Array<ArrayBuffer>) => webcrypto.getRandomValues(into) });
  const made = Array.from({ length: 100 }, uuid);
  expect(new Set(made).size).toBe(100);
  for (const one of made) expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

describe('positions', () => {
  test.each(['', '1', '1-', '-1', '01-0', '1-01', '1-0 ', 'a-b', '1-0-0', '1-2.', '1-2.0', '1-2.01'])(
    '%s is none',
    (text) => {
      expect(parsePosition(text)).toBeNull();
    },
  );

  test.each([
    [null, '1-0', 'follows'],
    [null, '3-0', 'follows'],
    [null, '1-1', 'gap'],
    ['1-4', '1-5', 'follows'],
    ['1-4', '1-4', 'known'],
    ['1-4', '1-0', 'known'],
    ['1-4', '1-6', 'gap'],
    ['1-4', '2-0', 'follows'],
    ['1-4', '2-1', 'gap'],
    ['2-0', '1-9', 'known'],
    ['1-4', '1-5.1', 'follows'],
    ['1-4', '1-5.2', 'gap'],
    ['1-4', '1-6.1', 'gap'],
    ['1-4', '1-4.1', 'known'],
    ['1-5.1', '1-5.2', 'follows'],
    ['1-5.2', '1-5.1', 'known'],
    ['1-5.2', '1-5', 'follows'],
    ['1-5', '1-5.2', 'known'],
    ['1-4', '2-0.1', 'gap'],
  ])('after %s, %s %s', (last, next, wanted) => {
    expect(relation(last === null ? null : parsePosition(last), parsePosition(next) as Position)).toBe(wanted);
  });
});

describe('tokens a second', () => {
  test('are counted by the clock of who wrote them', () => {
    const rate = new Rate();
    for (let ts = 0; ts <= 2_000; ts += 25) rate.add(ts, 1);
    expect(rate.recent).toBeCloseTo(40, -1);
    for (let ts = 2_010; ts <= 7_000; ts += 10) rate.add(ts, 1);
    expect(rate.recent).toBeCloseTo(100, -1);
    expect(rate.overall).toBeCloseTo(83, -1);
  });

  test('are not known from one moment', () => {
    const rate = new Rate();
    rate.add(0, 50);
    rate.add(249, 50);
    expect([rate.recent, rate.overall]).toEqual([null, null]);
    rate.add(300, 50);
    expect(rate.overall).toBeCloseTo(333, 0);
  });
});

describe('a reply on its way', () => {
  const at = { position: '1-1', tokens: 1 };

  test('says how long its reasoning took, all parts of it, once it is over', () => {
    const turn = new Turn('g1');
    turn.apply({ ...at, type: 'reasoning', ts: 1000, text: 'Hm' });
    turn.apply({ ...at, type: 'reasoning', ts: 1600, text: '.' });
    expect(turn.message.reasoningMs).toBeUndefined();
    turn.apply({ ...at, type: 'chunk', ts: 2000, text: 'So ' });
    turn.apply({ ...at, type: 'reasoning', ts: 5000, text: ' Hm.' });
    turn.apply({ ...at, type: 'chunk', ts: 5500, text: 'be it.' });
    expect(turn.message.reasoningMs).toBe(1500);
  });

  test('has each tool call where it happened', () => {
    const turn = new Turn('g1');
    const call = (index: number, name: string, given: string) =>
      turn.apply({ ...at, type: 'tool_call', ts: 1, call: { index, id: name, name, arguments: given } });
    turn.apply({ ...at, type: 'chunk', ts: 1, text: 'One' });
    call(0, 'level', '{');
    call(0, '', '}');
    turn.apply({ ...at, type: 'chunk', ts: 1, text: 'Two' });
    call(1, 'gate', '');
    expect(turn.message.toolCalls?.map(({ name, arguments: given, at: place }) => [name, given, place])).toEqual([
      ['level', '{}', 3],
      ['gate', '', 6],
    ]);
    expect(turn.message.toolCalls?.map(({ id }) => id)).toEqual(['level', 'gate']);
  });

  test('has nothing of what a reset voided, a call in the middle of its arguments included', () => {
    const turn = new Turn('g1');
    const call = (id: string, given: string) =>
      turn.apply({ ...at, type: 'tool_call', ts: 1, call: { index: 0, id, name: id, arguments: given } });
    turn.apply({ ...at, type: 'reasoning', ts: 1, text: 'void', tokens: 1 });
    turn.apply({ ...at, type: 'chunk', ts: 2, text: 'void', tokens: 1 });
    call('void', '{"void":');
    turn.apply({ ...at, type: 'reset', ts: 3, reason: 'worker_lost' });
    expect(turn.message).not.toHaveProperty('toolCalls');
    call('kept', '{"kept":1}');
    turn.apply({ ...at, type: 'end', ts: 4, finishReason: 'tool_calls', reason: null, usage: null });
    expect(turn.message.toolCalls).toEqual([{ index: 0, id: 'kept', name: 'kept', arguments: '{"kept":1}', at: 0 }]);
    expect(JSON.stringify(turn.message)).not.toContain('void');
    turn.apply({ ...at, type: 'reasoning', ts: 10, text: 'Hm', tokens: 1 });
    turn.apply({ ...at, type: 'chunk', ts: 15, text: 'So.', tokens: 1 });
    expect(turn.message.reasoningMs).toBe(5);
  });

  test('waits until anything else comes, and tells what it has used however it ends', () => {
    const used = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const turn = new Turn('g1');
    turn.apply({ type: 'queued', place: 2, position: null, ts: 1 });
    expect([turn.queuePlace, turn.state]).toEqual([2, 'queued']);
    turn.apply({ type: 'start', position: '1-0', ts: 2, generationId: 'g1', conversationId: 'c1', model: 'm' });
    expect([turn.queuePlace, turn.state]).toEqual([null, 'streaming']);
    turn.apply({ ...at, type: 'error', ts: 3, code: 'broke', message: 'It broke.', retryable: false, usage: used });
    turn.settle('failed');
    expect(turn.message).toMatchObject({ usage: used, error: { code: 'broke', retryable: false } });
  });

  test('has only gone on once it says more than it had', () => {
    const turn = new Turn('g2', 'a', 'g1');
    turn.apply({ ...at, type: 'reasoning', ts: 1, text: 'Hm', given: true });
    turn.apply({ ...at, type: 'chunk', ts: 1, text: 'Hi', given: true });
    expect([turn.isBegun, turn.text]).toEqual([false, 'Hi']);
    turn.apply({ ...at, type: 'chunk', ts: 2, text: '.' });
    expect([turn.isBegun, turn.text]).toEqual([true, 'Hi.']);
  });
});

describe('messages', () => {
  const at = { createdAt: 1, state: 'done' } as const;
  const user: ChatMessage = { ...at, id: 'u', role: 'user', content: 'hello', generationId: 'g1' };
  const reply: ChatMessage = { ...at, id: 'a', role: 'assistant', content: 'Hi', generationId: 'g1', reasoning: 'Hm.' };
  const unsent: ChatMessage = { ...at, id: 'x', role: 'user', content: 'lost', state: 'failed' };
  const stored = [
    { role: 'user', content: 'hello', ts: 5, generation_id: 'g1' },
    { role: 'assistant', content: 'Hi', ts: 6, state: 'done', generation_id: 'g1' },
  ] as const;

  test('that have not changed are the same list', () => {
    const ours = [user, reply];
    expect(merge(ours, stored)).toBe(ours);
  });

  test('keep their ids, and what only we know of them', () => {
    const merged = merge([user, { ...reply, content: 'H', state: 'failed' }], stored);
    expect(merged[0]).toBe(user);
    expect(merged[1]).toEqual(reply);
  });

  test('come with their reasoning and tool calls, each at its place in the text', () => {
    const calls = [
      { id: 'c1', name: 'level', arguments: '{}', at: 1 },
      { id: 'c2', name: 'gate', arguments: '{}' },
    ];
    const [, merged] = merge(
      [],
      [stored[0], { ...stored[1], content: '🙂 Hi', reasoning: 'Hm.', reasoning_ms: 1200, tool_calls: calls }],
    );
    expect(merged).toMatchObject({
      reasoning: 'Hm.',
      reasoningMs: 1200,
      toolCalls: [
        { index: 0, id: 'c1', at: 2 },
        { index: 1, id: 'c2', at: 5 },
      ],
    });
  });

  test('that ended without us lose the calls that may have been voided', () => {
    const seen = { ...reply, toolCalls: [{ index: 0, id: 'c', name: 'delete', arguments: '{}', at: 0 }] };
    expect(merge([user, { ...seen, state: 'failed' }], stored)[1]).not.toHaveProperty('toolCalls');
    expect(merge([user, seen], stored)[1]).toBe(seen);
  });

  test('that never arrived stay where they were', () => {
    const next = { role: 'user', content: 'next', ts: 7, generation_id: 'g2' } as const;
    const ids = merge([user, reply, unsent], [...stored, next]).map(({ id }) => id);
    expect(ids).toEqual(['u', 'a', 'x', 'g2:user']);
  });

  test('that arrived after all are shown once', () => {
    const arrived = { role: 'user', content: 'lost', ts: 7, generation_id: 'g2' } as const;
    expect(merge([user, reply, unsent], [...stored, arrived]).map(({ id }) => id)).toEqual(['u', 'a', 'g2:user']);
  });

  test('that arrived after all are theirs by all that they say: spaces around it are not, pictures are', () => {
    const arrived = { role: 'user', content: 'lost', ts: 7, generation_id: 'g2' } as const;
    const picture = { type: 'image', blob: 'b', contentType: '', size: 1, name: '', at: 4 } as const;
    const count = (lost: ChatMessage) => merge([user, reply, lost], [...stored, arrived]).length;
    expect(count({ ...unsent, content: ' lost\n' })).toBe(3);
    expect(count({ ...unsent, parts: [picture] })).toBe(4);
  });

  test('say which of several branches is shown, and are other ones when that changes', () => {
    const branching = { shown: 'g1', generation_ids: ['g0', 'g1'] };
    const first = merge([user, reply], stored, [branching as never]);
    expect(first.map(({ branch }) => branch)).toEqual(Array(2).fill({ at: 1, generationIds: ['g0', 'g1'] }));
    const more = merge(first, stored, [{ ...branching, generation_ids: ['g0', 'g1', 'g2'] } as never]);
    expect(more[1]?.branch?.generationIds).toHaveLength(3);
    expect(merge(more, stored)[1]).not.toHaveProperty('branch');
  });

  test('say why a reply failed', () => {
    const failed = { ...stored[1], state: 'failed', error: { code: 'upstream_broke', message: 'It broke.' } } as const;
    const seen = { code: 'upstream_broke', message: 'It broke.', retryable: false };
    expect(merge([], [stored[0], failed])[1]?.error).toEqual({ ...seen, retryable: true });
    expect(merge([user, { ...reply, error: seen }], [stored[0], failed])[1]?.error).toEqual(seen);
  });

  test('that go on stay where and what they are, and are of the generation that went on', () => {
    const going: ChatMessage = { ...at, id: 'n', role: 'assistant', content: '', state: 'sending', generationId: 'g2' };
    const begun = inPlace([user, reply, unsent], going, 'g1');
    expect(begun).toEqual([user, { ...going, id: 'a', content: 'Hi', reasoning: 'Hm.' }, unsent]);
    const more = inPlace([user, reply], { ...going, content: 'Hi there', reasoning: 'So.' }, 'g1');
    expect(more[1]).toMatchObject({ id: 'a', content: 'Hi there', reasoning: 'So.' });
    const ofTurn = inTurn(begun, { continues: 'g1', generationId: 'g2' });
    expect(ofTurn.map(({ generationId }) => generationId)).toEqual(['g2', 'g2', undefined]);
    expect(inTurn(begun, { continues: null, generationId: 'g2' })).toBe(begun);
  });

  test('of a time without generations are told apart', () => {
    const old = { role: 'user', content: 'same', ts: 1 } as const;
    const merged = merge([], [old, old]);
    expect(new Set(merged.map(({ id }) => id)).size).toBe(2);
    expect(merge(merged, [old, old])).toBe(merged);
  });

  test('that the server has no more are gone', () => {
    expect(merge([user, reply], [])).toEqual([]);
  });

  test('have a reply after what it answers', () => {
    expect(inPlace([user, unsent], reply)).toEqual([user, reply, unsent]);
    expect(inPlace([unsent], reply)).toEqual([unsent, reply]);
  });
});
