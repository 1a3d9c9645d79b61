/** Conversations under the day they were last used, as people look for them. */
import type { ListedConversation } from '../../client/index.js';

export type Period = 'today' | 'yesterday' | 'lastWeek' | 'older';

const DAY_MS = 86_400_000;

export function byPeriod(list: readonly ListedConversation[], now = Date.now()): [Period, ListedConversation[]][] {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const found: Record<Period, ListedConversation[]> = { today: [], yesterday: [], lastWeek: [], older: [] };
  for (const each of list) found[periodOf(each.updated_ms, midnight)].push(each);
  return (Object.entries(found) as [Period, ListedConversation[]][]).filter(([, members]) => members.length > 0);
}

function periodOf(ms: number, midnight: number): Period {
  if (ms >= midnight) return 'today';
  if (ms >= midnight - DAY_MS) return 'yesterday';
  return ms >= midnight - 7 * DAY_MS ? 'lastWeek' : 'older';
}
