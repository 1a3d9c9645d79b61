// @vitest-environment jsdom
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ConversationPage, HeadraceClient } from '../../client/index.js';
import { type Identity, useIdentity } from '../room/identity.ts';
import { type Conversations, useConversations } from '../sidebar/useConversations.ts';

interface Asked {
  query: string;
  before?: string;
  signal: AbortSignal;
}

let shown: Conversations;
let answer: (asked: Asked) => Promise<ConversationPage>;
const change = vi.fn<() => Promise<boolean>>();
const client = {
  conversationPage: (asked: Asked) => answer(asked),
  rename: change,
  remove: change,
} as unknown as HeadraceClient;

function Sidebar({ query }: { query: string }) {
  shown = useConversations(client, query, 0);
  return null;
}

const root = () => createRoot(document.createElement('div'));
const page = (ids: string, rest: Partial<ConversationPage> = {}) =>
  ({ conversations: [...ids].map((id) => ({ id, title: id, active: null })), ...rest }) as ConversationPage;
const ids = () => shown.found?.list.map(({ id }) => id).join('');

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.useFakeTimers({ shouldAdvanceTime: false });
});
afterEach(() => vi.useRealTimers());

async function show(place: ReturnType<typeof root>, query: string) {
  await act(async () => place.render(<Sidebar query={query} />));
  await act(() => vi.advanceTimersByTimeAsync(300));
}

test('each is there once, on as many pages as were asked for', async () => {
  const place = root();
  answer = async ({ before }) =>
    before ? page('bcd') : page('abc', { next: 'c', incomplete: true } as Partial<ConversationPage>);
  await show(place, 'x');
  expect([ids(), shown.found?.hasMore, shown.found?.isIncomplete]).toEqual(['abc', true, true]);
  await act(async () => shown.more());
  expect([ids(), shown.found?.hasMore, shown.found?.isIncomplete]).toEqual(['abcd', false, true]);
  await act(async () => place.unmount());
});

test('what is looked for anew is read from the top, and a late answer to the last is no answer', async () => {
  const place = root();
  const asked: Asked[] = [];
  const late: (() => void)[] = [];
  answer = (one) => {
    asked.push(one);
    if (one.query !== 'slow') return Promise.resolve(page(one.query, { next: 'n' } as Partial<ConversationPage>));
    return new Promise((done, refused) => {
      one.signal.addEventListener('abort', () => refused(one.signal.reason));
      late.push(() => done(page('s')));
    });
  };
  await show(place, 'a');
  await act(async () => shown.more());
  await show(place, 'slow');
  asked.length = 0;
  await show(place, 'b');
  expect(asked.map(({ before }) => before)).toEqual([undefined]);
  await act(async () => {
    for (const done of late) done();
  });
  expect([ids(), shown.error]).toEqual(['b', null]);
  await act(async () => place.unmount());
});

test('what the server does not take is as it was, and is said', async () => {
  const place = root();
  answer = async () => page('ab');
  await show(place, '');
  change.mockRejectedValueOnce(new Error('away'));
  answer = () => Promise.reject(new Error('away'));
  let isTaken: boolean | undefined;
  await act(async () => {
    isTaken = await shown.remove('a');
  });
  expect([isTaken, String(shown.error)]).toEqual([false, 'Error: away']);
  answer = async () => page('ab');
  await act(() => vi.advanceTimersByTimeAsync(15_000));
  expect([ids(), shown.error]).toEqual(['ab', null]);
  change.mockResolvedValueOnce(true);
  await act(async () => {
    isTaken = await shown.remove('a');
  });
  expect(isTaken).toBe(true);
  await act(async () => place.unmount());
});

let who: Identity;

function Who() {
  who = useIdentity();
  return null;
}

test('the same one again, by the name that was chosen', async () => {
  const open = () => act(async () => createRoot(document.createElement('div')).render(<Who />));
  await open();
  const { userId } = who;
  expect([who.name, userId]).toEqual(['', expect.stringMatching(/^u-\w{8}$/)]);
  await act(async () => who.choose('Ann'));
  await open();
  expect([who.name, who.userId]).toEqual(['Ann', userId]);
});
