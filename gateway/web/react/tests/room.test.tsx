// @vitest-environment jsdom
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, test, vi } from 'vitest';
import { type UseRoom, useRoom } from '../useRoom.js';

test('a component is in its room for as long as it is shown', async () => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  const sockets: { url: string; close: () => void; onopen?: () => void; closed?: boolean }[] = [];
  vi.stubGlobal(
    'WebSocket',
    class {
      closed = false;
      constructor(readonly url: string) {
        sockets.push(this);
      }
      close() {
        this.closed = true;
      }
    },
  );
  let room: UseRoom | undefined;
  function There({ roomId, invitation }: { roomId: string; invitation?: string }) {
    room = useRoom({ roomId, userId: 'ann', invitation });
    return null;
  }
  const root = createRoot(document.createElement('div'));
  await act(async () => root.render(<There roomId="one" />));
  expect(room).toMatchObject({ connection: 'connecting', userId: 'ann', messages: [] });
  const { say } = room as UseRoom;
  await act(async () => root.render(<There roomId="one" />));
  expect(room?.say).toBe(say);
  await act(async () => root.render(<There roomId="two" />));
  expect(sockets.map(({ url, closed }) => [new URL(url).pathname, closed])).toEqual([
    ['/ws/one', true],
    ['/ws/two', false],
  ]);
  await act(async () => root.render(<There roomId="two" invitation="a.b" />));
  expect([sockets[1]?.closed, new URL(sockets[2]?.url ?? '').searchParams.get('invitation')]).toEqual([true, 'a.b']);
  await act(async () => room?.say('Hello'));
  await act(() => vi.waitFor(() => expect(room?.messages).toMatchObject([{ content: 'Hello', state: 'sending' }])));
  await act(async () => root.unmount());
  expect(sockets[2]?.closed).toBe(true);
});
