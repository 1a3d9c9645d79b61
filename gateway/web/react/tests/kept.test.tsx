// @vitest-environment jsdom
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { useKeptConversation } from '../useKeptConversation.js';

beforeEach(() => void vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true));
afterEach(() => localStorage.clear());

/** A page that remembers its conversation under *key*. */
async function page(key: string | null) {
  const shown = {} as { kept: ReturnType<typeof useKeptConversation> };
  function Page() {
    shown.kept = useKeptConversation(key);
    return null;
  }
  await act(async () => createRoot(document.createElement('div')).render(<Page />));
  return shown;
}
const brief = ({ kept: { id, number } }: Awaited<ReturnType<typeof page>>) => [id, number];

test('a conversation is there after a reload until it is let go of, and goes on as it is when it gets its id', async () => {
  const first = await page('k');
  expect(brief(first)).toEqual([null, 0]);
  await act(async () => first.kept.keep('c1'));
  expect([brief(first), brief(await page('k')), brief(await page('other')), brief(await page(null))]).toEqual([
    ['c1', 0],
    ['c1', 0],
    [null, 0],
    [null, 0],
  ]);
  await act(async () => first.kept.forget());
  expect([brief(first), brief(await page('k'))]).toEqual([
    [null, 1],
    [null, 0],
  ]);
});

test('where nothing can be stored, it holds until the page is closed', async () => {
  for (const name of ['getItem', 'setItem', 'removeItem'] as const) {
    vi.spyOn(Storage.prototype, name).mockImplementation(() => {
      throw new Error('no storage');
    });
  }
  const one = await page('k');
  await act(async () => one.kept.keep('c1'));
  expect(brief(one)).toEqual(['c1', 0]);
  await act(async () => one.kept.forget());
  expect(brief(one)).toEqual([null, 1]);
});
