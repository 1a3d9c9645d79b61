import { describe, expect, it } from 'vitest';
import { parseEvent } from '../events.js';
import { inOrder, readParts, wireMessage } from '../parts.js';
import { merge } from '../transcript.js';
import { Turn } from '../turn.js';

const BLOB = 'b'.repeat(64);
const frame = (type: string, metadata: unknown, content = '') => JSON.stringify({ type, content, metadata });

describe('parts of a message', () => {
  it('go after the text, as references', () => {
    const [part] = readParts([{ type: 'image', blob: BLOB, content_type: 'image/png', size: 5, name: 'a.png' }], '');
    expect(wireMessage('Hello')).toBe('Hello');
    expect(wireMessage('', part ? [part] : [])).toEqual([{ type: 'image', blob: BLOB, name: 'a.png' }]);
    expect(wireMessage('Hi', part ? [part] : [])).toHaveLength(2);
  });

  it('stand where the server counts characters, and we code units', () => {
    const [part] = readParts([{ type: 'image', blob: BLOB, at: 2 }], '👍a b');
    expect(inOrder('👍a b', part ? [part] : [])).toEqual(['👍a', part, ' b']);
    const [later, first] = [{ at: 3 }, { at: 1 }];
    expect(inOrder('abc', [later, first])).toEqual(['a', first, 'bc', later]);
  });

  it('have all that the server keeps of them', () => {
    const file = {
      type: 'file',
      blob: BLOB,
      content_type: 'text/plain',
      size: 5,
      name: 'a.txt',
      lost: 'not_kept',
    } as const;
    const { content_type: contentType, ...same } = file;
    expect(readParts([file], 'abc')).toEqual([{ ...same, contentType, at: 0 }]);
  });

  it('of a reply are void after a reset', () => {
    const turn = new Turn('gen_1');
    const part = { type: 'image', blob: BLOB, content_type: 'image/png', size: 5 };
    const events = [
      frame('chunk', { tokens: 1 }, 'ab'),
      frame('part', { part }),
      frame('reset', { reason: 'worker_lost' }),
      frame('part', { part: { type: 'image', lost: 'too_large' } }),
    ];
    events.forEach((data, index) => {
      const event = parseEvent(data, `1-${index}`);
      if (event.type !== 'unknown' && event.type !== 'refused') turn.apply(event);
      if (index === 1) expect(turn.message.parts).toMatchObject([{ blob: BLOB, at: 2 }]);
    });
    expect(turn.message.parts).toMatchObject([{ blob: '', lost: 'too_large', at: 0 }]);
    expect(turn.isBegun).toBe(true);
  });

  it('of a kind that came later are skipped', () => {
    expect(parseEvent(frame('part', { part: { type: 'hologram' } }), '1-1').type).toBe('unknown');
    expect(parseEvent(frame('part', {}), '1-1').type).toBe('unknown');
  });

  it('stay the same object until something changes', () => {
    const stored = [
      { role: 'user', content: '', ts: 1, generation_id: 'gen_1', parts: [{ type: 'image', blob: BLOB }] },
    ];
    const first = merge([], stored as never);
    expect(merge(first, stored as never)).toBe(first);
    expect(first[0]?.parts).toHaveLength(1);
  });
});
