// @vitest-environment jsdom
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { beforeEach, expect, test, vi } from 'vitest';
import { HeadraceError, type MessagePart } from '../../client/index.js';
import { putBack, useDraft } from '../composer/drafts.ts';
import { excessOf } from '../composer/limit.ts';
import { type Attachments, type Upload, useAttachments } from '../composer/useAttachments.ts';

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  localStorage.clear();
  uploads.length = 0;
});

let files: Attachments;
const uploads: { name: string; done(part: MessagePart): void; refused(error: unknown): void }[] = [];
const upload: Upload = (_, name) => new Promise((done, refused) => uploads.push({ name, done, refused }));

function Files() {
  files = useAttachments(upload, 'c1');
  return null;
}

async function open() {
  const root = createRoot(document.createElement('div'));
  await act(async () => root.render(<Files />));
  return async () => act(async () => root.unmount());
}

const file = (name: string) => new File(['x'], name, { type: 'text/plain' });
const part = (blob: string) => ({ type: 'file', blob, name: blob }) as MessagePart;
const add = (...names: string[]) => act(async () => files.add(names.map(file)));

test('each upload is its own: the later may end first, one may be refused, and all are kept until they are sent', async () => {
  const close = await open();
  await add('a\u202e');
  await add('b', 'c');
  expect(uploads.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  await act(async () => uploads[1]?.done(part('2')));
  await act(async () => uploads[2]?.refused(new HeadraceError('Too large.', { code: 'too_large', retryable: false })));
  expect(files.isBusy).toBe(true);
  await act(async () => uploads[0]?.done(part('1')));
  expect(files.isBusy).toBe(false);
  expect(files.items.map((item) => item.refused ?? item.part?.blob)).toEqual(['1', '2', 'too_large']);
  await close();
  const closeAgain = await open();
  expect(files.items.map((item) => item.part?.blob)).toEqual(['1', '2']);
  await act(async () => void expect(files.take().map(({ blob }) => blob)).toEqual(['1', '2']));
  expect(files.items).toEqual([]);
  await closeAgain();
  await open();
  expect(files.items).toEqual([]);
});

test('no more than a message takes are uploaded, and the rest is named', async () => {
  await open();
  const names = Array.from({ length: 18 }, (_, index) => `${index}`);
  await act(async () => {
    files.add(names.map(file));
    files.add(['p', 'q', 'r', 's', 't', 'u'].map(file));
  });
  expect(uploads.map(({ name }) => name).slice(18)).toEqual(['p', 'q']);
  expect(files.items.at(-1)).toMatchObject({ name: 'r, s, t +1', refused: 'too_many' });
});

let text: string;
let write: (text: string) => void;

function Field({ name }: { name: string }) {
  [text, write] = useDraft(name);
  return null;
}

async function openField(name: string) {
  const root = createRoot(document.createElement('div'));
  const show = (name: string) => act(async () => root.render(<Field name={name} />));
  await show(name);
  return { show, close: () => act(async () => root.unmount()) };
}

const type = (next: string) => act(async () => write(next));

test('it moves with its key', async () => {
  const field = await openField('new');
  await type('hello');
  await field.show('c1');
  expect(text).toBe('hello');
  await field.close();
  const other = await openField('new');
  expect(text).toBe('');
  await other.close();
  const same = await openField('c1');
  expect(text).toBe('hello');
  await same.close();
});

test('what comes back follows what is written, also where no field is', async () => {
  const field = await openField('c1');
  await type('more \n');
  localStorage.clear();
  await act(async () => putBack('c1', 'unsent'));
  expect(text).toBe('more\n\nunsent');
  await field.close();
  putBack('c1', 'again');
  const later = await openField('c1');
  expect(text).toBe('more\n\nunsent\n\nagain');
  await later.close();
});

test('of too many the oldest go', async () => {
  const clock = vi.spyOn(Date, 'now');
  for (let index = 0; index < 103; index += 1) {
    clock.mockReturnValue(1000 + index);
    putBack(`c${index}`, 'x');
  }
  clock.mockRestore();
  const kept = Array.from({ length: 103 }, (_, index) => localStorage.getItem(`headrace.draft.c${index}`) !== null);
  expect(kept.indexOf(true)).toBe(3);
  expect(kept.lastIndexOf(false)).toBe(2);
});

test.each([
  ['😀😀', 2, null],
  ['😀😀😀', 2, 3],
  [' ab\u0007\n ', 2, null],
  ['abc', null, null],
])('a message is as long as the server says: %j of %j', (said, limit, count) => {
  expect(excessOf(said, limit)?.count ?? null).toBe(count);
});
