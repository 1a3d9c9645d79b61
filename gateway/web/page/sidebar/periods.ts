/** Conversations under the day they were last used, as people look for them. */
import type { ListedConversation } from '../../client/index.js';

export type Period = 'today' | 'yesterday' | 'lastWeek' | 'older';

export function byPeriod(list: readonly ListedConversation[], now = Date.now()): [Period, ListedConversation[]][] {
  // By the calendar: where clocks are changed a day is longer, or shorter.
  const midnight = (daysAgo: number) => {
    const today = new Date(now);
    return new Date(today.getFullYear(), today.getMonth(), today.getDate() - daysAgo).getTime();
  };
  const found: Record<Period, ListedConversation[]> = { today: [], yesterday: [], lastWeek: [], older: [] };
  for (const each of list) found[periodOf(each.updated_ms, midnight)].push(each);
  return (Object.entries(found) as [Period, ListedConversation[]][]).filter(([, members]) => members.length > 0);
}

function periodOf(ms: number, midnight: (daysAgo: number) => number): Period {
  if (ms >= midnight(0)) return 'today';
  if (ms >= midnight(1)) return 'yesterday';
  return ms >= midnight(7) ? 'lastWeek' : 'older';
}
