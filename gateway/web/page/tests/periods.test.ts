import { expect, test, vi } from 'vitest';
import type { ListedConversation } from '../../client/index.js';
import { byPeriod } from '../sidebar/periods.ts';

/** In Berlin 25 October 2026 has 25 hours, and 29 March 23. */
vi.stubEnv('TZ', 'Europe/Berlin');

const used = (...at: [number, number, number, number?, number?][]) =>
  at.map(([year, month, day, ...time]) => {
    const id = `${month}-${day} ${time.join(':')}`;
    return { id, updated_ms: new Date(year, month - 1, day, ...time).getTime() } as ListedConversation;
  });

test.each([
  [[10, 26], ['10-26 0:0'], ['10-25 0:0', '10-25 23:59'], ['10-24 23:59', '10-19 0:0'], ['10-18 23:59']],
  [[3, 30], ['3-30 0:0'], ['3-29 0:0', '3-29 23:59'], ['3-28 23:59', '3-23 0:0'], ['3-22 23:59']],
] as const)('days are those of the calendar: %s', ([month, day], today, yesterday, lastWeek, older) => {
  const all = [today, yesterday, lastWeek, older].flatMap((ids) =>
    ids.flatMap((id) => {
      const [m = 0, d = 0, hour, minute] = id.split(/[- :]/).map(Number);
      return used([2026, m, d, hour, minute]);
    }),
  );
  const found = byPeriod(all, new Date(2026, month - 1, day, 12).getTime());
  expect(found.map(([period, list]) => [period, list.map(({ id }) => id)])).toEqual([
    ['today', today],
    ['yesterday', yesterday],
    ['lastWeek', lastWeek],
    ['older', older],
  ]);
});
