import { afterEach, describe, expect, it, vi } from 'vitest';
import { readOnly } from '../share/readOnly.ts';

afterEach(() => vi.unstubAllGlobals());

describe('a link', () => {
  it('reads its conversation, and asks for nothing else', async () => {
    const asked: [string, RequestInit | undefined][] = [];
    vi.stubGlobal('fetch', async (address: string, init?: RequestInit) => {
      asked.push([address, init]);
      return new Response('{}');
    });
    const fetch = readOnly('s1', 'secret');
    for (const path of ['/api/conversations/s1', '/api/chat/gen_1/stream', '/api/blobs/abc']) {
      await fetch(path, { headers: { Authorization: 'Bearer mine' } });
    }
    expect(asked.map(([address]) => address)).toEqual([
      '/api/shared/s1',
      '/api/shared/s1/chat/gen_1/stream',
      '/api/shared/s1/blobs/abc',
    ]);
    for (const [, init] of asked) {
      const headers = new Headers(init?.headers);
      expect([headers.get('X-Headrace-Share'), headers.get('Authorization')]).toEqual(['secret', null]);
      expect(init?.credentials).toBe('omit');
    }
    for (const [path, method] of [
      ['/api/chat/stream', 'POST'],
      ['/api/conversations/s1', 'DELETE'],
      ['/api/conversations', 'GET'],
      ['/api/conversations/s1/share', 'GET'],
      ['/api/chat/gen_1', 'GET'],
      ['https://elsewhere.example/api/conversations/s1', 'GET'],
    ] as const) {
      expect((await fetch(path, { method })).status).toBe(403);
    }
    expect(asked).toHaveLength(3);
  });
});
