import { afterEach, expect, test, vi } from 'vitest';
import { Room, type RoomOptions } from '../room.js';
import { eventually } from './eventually.js';

const LIFE = '1785000000000';
const AT = '2026-01-01T00:00:00.000Z';
const open: Room[] = [];

/** A server's end of every connection that a room makes. */
class FakeSocket {
  static all: FakeSocket[] = [];
  static refuses = false;
  /** Neither opens nor says why not. */
  static hangs = false;
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
    queueMicrotask(() => {
      if (FakeSocket.hangs) return;
      if (FakeSocket.refuses) return this.drop(1006);
      this.readyState = 1;
      this.onopen?.();
    });
  }

  get after(): string | null {
    return new URL(this.url).searchParams.get('after');
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code = 1005): void {
    this.drop(code);
  }

  drop(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  say(said: Record<string, unknown> | string): void {
    this.onmessage?.({ data: typeof said === 'string' ? said : JSON.stringify({ timestamp: AT, ...said }) });
  }

  entry(number: number, said: Record<string, unknown>): void {
    this.say({ position: `${LIFE}-${number}`, ...said });
  }
}

function there(options: Partial<RoomOptions> = {}): Room {
  FakeSocket.all = [];
  FakeSocket.refuses = FakeSocket.hangs = false;
  const room = new Room({
    roomId: 'r',
    userId: 'ann',
    name: 'Ann',
    baseUrl: 'http://headrace.test/at',
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    ...options,
  });
  open.push(room);
  room.open();
  return room;
}

async function connection(number: number): Promise<FakeSocket> {
  await eventually(() => FakeSocket.all[number]?.readyState === 1, `connection ${number} is open`);
  return FakeSocket.all[number] as FakeSocket;
}

afterEach(() => {
  for (const room of open.splice(0)) room.close();
  vi.useRealTimers();
});

test('a reply arrives piece by piece, each once, over connections that break', async () => {
  const room = there({ invitation: 'to.ken' });
  const first = await connection(0);
  expect(first.url).toMatch(
    /^ws:\/\/headrace\.test\/at\/ws\/r\?userId=ann&member=[\w-]{36}&name=Ann&invitation=to\.ken$/,
  );
  first.entry(1, { type: 'user_joined', userId: 'ann', name: 'Ann', role: 'creator' });
  first.entry(2, { type: 'message', userId: 'bob', name: 'Bob', role: 'member', content: 'Hi' });
  first.entry(3, { type: 'stream_start', generation_id: 'gen_1', model: 'm' });
  first.entry(4, { type: 'stream_chunk', generation_id: 'gen_1', content: 'Grü' });
  first.drop(1001);
  const second = await connection(1);
  expect(second.after).toBe(`${LIFE}-4`);
  second.entry(4, { type: 'stream_chunk', generation_id: 'gen_1', content: 'Grü' });
  second.entry(5, { type: 'stream_chunk', generation_id: 'gen_1', content: 'ße' });
  second.say({ type: 'from_the_future' });
  second.say('nonsense');
  await eventually(() => room.snapshot.messages.at(-1)?.content === 'Grüße', 'the reply is whole');
  expect(room.snapshot).toMatchObject({ active: 'gen_1', connection: 'open' });
  second.entry(6, { type: 'stopped', generation_id: 'gen_1', userId: 'bob', name: 'Bob' });
  await eventually(() => room.snapshot.active === null, 'the reply ends');
  expect(room.snapshot.messages.at(-1)).toMatchObject({ state: 'stopped', detail: 'Bob' });
});

test('a reply is what its log says: voided, ended, failed, or begun before the log does', async () => {
  const room = there();
  const socket = await connection(0);
  const ids = { generation_id: 'gen_1' };
  const shown = () => room.snapshot.messages.map(({ state, content, detail }) => [state, content, detail]);
  socket.say({ type: 'truncated', after: `${LIFE}-0`, first: `${LIFE}-1` });
  socket.entry(1, { type: 'stream_chunk', ...ids, content: 'rest' });
  await eventually(() => room.snapshot.messages.length === 1, 'its rest is shown');
  expect([room.snapshot.isTruncated, shown()]).toEqual([true, [['streaming', 'rest', undefined]]]);
  socket.entry(2, { type: 'stream_end', ...ids, finish_reason: 'stop' });
  socket.entry(3, { type: 'cleared', userId: 'bob', name: 'Bob' });
  for (const [number, generation_id] of ['gen_2', 'gen_3'].entries()) {
    const at = 4 + number * 4;
    socket.entry(at, { type: 'stream_start', generation_id, model: 'm' });
    socket.entry(at + 1, { type: 'stream_chunk', generation_id, content: 'void' });
    socket.entry(at + 2, { type: 'stream_reset', generation_id, reason: 'worker_lost' });
    await eventually(() => room.snapshot.active === generation_id, 'it is under way');
    if (number === 0) socket.entry(at + 3, { type: 'stream_end', generation_id, finish_reason: 'stop' });
    else socket.entry(at + 3, { type: 'stream_error', generation_id, code: 'upstream_broke', message: 'It broke.' });
    await eventually(() => room.snapshot.active === null, 'it is over');
  }
  expect([room.snapshot.isTruncated, shown()]).toEqual([
    false,
    [
      ['done', '', undefined],
      ['failed', '', 'It broke.'],
    ],
  ]);
});

test('what is said is sent again until the room has it', async () => {
  const room = there();
  const first = await connection(0);
  room.say('  Hello ');
  room.say(' \n');
  expect(first.sent).toMatchObject([{ type: 'send_message', message: 'Hello', userId: 'ann' }]);
  first.drop(1006);
  const second = await connection(1);
  expect(second.sent).toEqual(first.sent);
  expect(room.snapshot.messages).toMatchObject([{ content: 'Hello', state: 'sending' }]);
  const { id } = second.sent[0] as { id: string };
  second.entry(1, { type: 'message', userId: 'ann', name: 'Ann', role: 'member', content: 'Hello', id });
  await eventually(() => room.snapshot.messages[0]?.state === 'said', 'it is said');
  expect(room.snapshot.messages).toHaveLength(1);
  room.say('too much');
  const refused = second.sent[1] as { id: string };
  second.say({ type: 'error', code: 'too_busy', message: 'Wait.', retryable: true, id: refused.id });
  await eventually(() => room.snapshot.error !== null, 'it is refused');
  expect(room.snapshot.messages.at(-1)).toMatchObject({ state: 'failed', detail: 'Wait.' });
});

test('what was rewound, or cleared, is forgotten', async () => {
  const room = there();
  const socket = await connection(0);
  const said = (number: number, content: string) =>
    socket.entry(number, { type: 'message', userId: 'bob', name: 'Bob', role: 'member', content });
  for (const [number, word] of ['one', 'two', 'three'].entries()) said(number + 1, word);
  socket.say({ type: 'rewound', to: `${LIFE}-1` });
  said(2, 'anew');
  const contents = () => room.snapshot.messages.map(({ content }) => content);
  await eventually(() => contents().join() === 'one,anew', 'it is taken back');
  socket.entry(3, { type: 'cleared', userId: 'bob', name: 'Bob' });
  said(4, 'after');
  await eventually(() => contents().join() === 'after', 'it is cleared');
  socket.say({ type: 'rewound', to: '1785999999999-0' });
  socket.say({
    position: '1785999999999-1',
    type: 'message',
    userId: 'bob',
    name: 'Bob',
    role: 'member',
    content: 'another life',
  });
  await eventually(() => contents().join() === 'another life', 'the room was made anew');
});

test('who is there, and who types', async () => {
  const room = there();
  const socket = await connection(0);
  socket.say({
    type: 'members',
    you: 'ann',
    as_of: `${LIFE}-2`,
    members: [{ userId: 'ann', name: 'Ann', role: 'creator' }],
  });
  socket.entry(1, { type: 'user_joined', userId: 'bob', name: 'Bob', role: 'member' });
  socket.entry(2, { type: 'user_left', userId: 'bob', name: 'Bob', role: 'member' });
  socket.entry(3, { type: 'user_joined', userId: 'eve', name: 'Eve', role: 'reader' });
  socket.entry(4, { type: 'user_joined', userId: 'eve', name: 'Eve', role: 'reader' });
  socket.say({ type: 'user_typing', userId: 'eve', name: 'Eve' });
  socket.say({ type: 'user_typing', userId: 'ann', name: 'Ann' });
  await eventually(() => room.snapshot.typing.length === 1, 'somebody types');
  expect(room.snapshot.members.map(({ userId }) => userId)).toEqual(['ann', 'eve']);
  socket.entry(5, { type: 'message', userId: 'eve', name: 'Eve', role: 'member', content: 'Hi' });
  await eventually(() => room.snapshot.typing.length === 0, 'nobody types');
  for (let i = 0; i < 5; i++) room.typing();
  expect(socket.sent.filter(({ type }) => type === 'user_typing')).toHaveLength(1);
});

test('an invitation is asked for, and may be refused', async () => {
  const room = there();
  const socket = await connection(0);
  const asked = room.invite('reader');
  expect(socket.sent.at(-1)).toMatchObject({ type: 'invite', role: 'reader' });
  socket.say({ type: 'invitation', id: 'i', invitation: 'a.b', role: 'reader', expires_ms: 1 });
  await expect(asked).resolves.toBe('a.b');
  const refused = room.invite();
  socket.say({ type: 'error', code: 'forbidden', message: 'No.', retryable: false });
  await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
  expect(room.snapshot.error).toBeNull();
  const [first, second] = [room.invite(), room.invite()];
  await expect(first).rejects.toMatchObject({ code: 'unreachable', retryable: true });
  socket.drop(1006);
  await expect(second).rejects.toMatchObject({ code: 'unreachable' });
  await expect(room.invite()).rejects.toMatchObject({ code: 'unreachable' });
});

test('an invitation that is not answered is given up', async () => {
  vi.useFakeTimers();
  const room = there();
  await vi.advanceTimersByTimeAsync(100);
  const asked = room.invite().catch(({ code }) => code);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await Promise.race([asked, 'it waits'])).toBe('unreachable');
});

test('one who goes by another id there knows it; a stop that came second is no error', async () => {
  const room = there();
  const socket = await connection(0);
  socket.say({ type: 'members', you: 'ann-2', as_of: `${LIFE}-0`, members: [] });
  socket.say({ type: 'error', code: 'conflict', message: 'Nothing to stop.', retryable: false });
  await eventually(() => room.snapshot.userId === 'ann-2', 'it is told');
  expect(room.snapshot.error).toBeNull();
});

test('who has left does not come back by itself, nor when the network does', async () => {
  vi.useFakeTimers();
  const window = new EventTarget();
  vi.stubGlobal('window', window);
  const room = there();
  await vi.advanceTimersByTimeAsync(100);
  FakeSocket.hangs = true;
  FakeSocket.all[0]?.drop(1006);
  window.dispatchEvent(new Event('online'));
  await vi.advanceTimersByTimeAsync(50);
  expect([FakeSocket.all.length, room.snapshot.connection]).toEqual([2, 'reconnecting']);
  FakeSocket.all[1]?.drop(1006);
  room.close();
  const leave = vi.spyOn(window, 'removeEventListener');
  window.dispatchEvent(new Event('online'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([FakeSocket.all.length, room.snapshot.connection, vi.getTimerCount()]).toEqual([2, 'idle', 0]);
  room.open();
  room.close();
  expect(leave).toHaveBeenCalledWith('online', expect.any(Function));
  expect(FakeSocket.all[2]?.readyState).toBe(3);
});

test('who may not be there any more does not come back', async () => {
  const room = there();
  (await connection(0)).drop(4403, 'revoked');
  expect(room.snapshot).toMatchObject({ connection: 'closed', error: { code: 'forbidden' } });
  expect(FakeSocket.all).toHaveLength(1);
});

test('a room that never opens says so in the end', async () => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  const room = there();
  FakeSocket.refuses = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(room.snapshot).toMatchObject({ connection: 'closed', error: { code: 'unreachable' } });
  expect(FakeSocket.all.length).toBeLessThan(10);
});

test('who has stopped writing is not shown as writing for ever', async () => {
  vi.useFakeTimers();
  const room = there();
  await vi.advanceTimersByTimeAsync(100);
  FakeSocket.all[0]?.say({ type: 'user_typing', userId: 'eve', name: 'Eve' });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(room.snapshot.typing).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(room.snapshot.typing).toHaveLength(0);
  for (let passedMs = 0; passedMs < 4_000; passedMs += 500, await vi.advanceTimersByTimeAsync(500)) room.typing();
  expect(FakeSocket.all[0]?.sent).toEqual(Array(2).fill({ type: 'user_typing', userId: 'ann' }));
});

test('a server that says nothing is asked less and less often', async () => {
  vi.useFakeTimers();
  there();
  for (let passedMs = 0; passedMs < 12_000; passedMs += 50) {
    await vi.advanceTimersByTimeAsync(50);
    const last = FakeSocket.all.at(-1);
    if (last?.readyState === 1) last.drop(1006);
  }
  expect(FakeSocket.all.length).toBeGreaterThan(4);
  expect(FakeSocket.all.length).toBeLessThan(10);
  await vi.advanceTimersByTimeAsync(15_000);
  FakeSocket.all.at(-1)?.entry(1, { type: 'cleared', userId: 'bob', name: 'Bob' });
  const before = FakeSocket.all.length;
  FakeSocket.all.at(-1)?.drop(1006);
  await vi.advanceTimersByTimeAsync(200);
  expect(FakeSocket.all).toHaveLength(before + 1);
});

test('a room that is away for long is asked every few seconds, and is not given up for what failed before', async () => {
  vi.useFakeTimers();
  there();
  await vi.advanceTimersByTimeAsync(100);
  for (let n = 0; n < 24; n += 1) {
    const [before, began] = [FakeSocket.all.length, Date.now()];
    const last = FakeSocket.all.at(-1);
    FakeSocket.refuses = n % 2 === 0;
    if (last?.readyState === 1) last.drop(1006);
    for (let due = 0; due < 5 && FakeSocket.all.length === before; due += 1) await vi.advanceTimersToNextTimerAsync();
    expect(FakeSocket.all).toHaveLength(before + 1);
    expect(Date.now() - began).toBeLessThan(22_600);
  }
});

test('a connection that does not open is tried again', async () => {
  vi.useFakeTimers();
  const room = there();
  FakeSocket.hangs = true;
  await vi.advanceTimersByTimeAsync(9_000);
  expect(FakeSocket.all).toHaveLength(1);
  FakeSocket.hangs = false;
  await vi.advanceTimersByTimeAsync(2_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(2);
  expect(room.snapshot.connection).toBe('open');
});
