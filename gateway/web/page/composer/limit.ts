/** How long a message may be. */
import { createContext, useContext, useEffect, useState } from 'react';
import type { HeadraceClient } from '../../client/index.js';

const Limit = createContext<number | null>(null);
export const LimitProvider = Limit.Provider;

/** What the server allows, in characters; null while it is not known. */
export function useLimit(client: HeadraceClient): number | null {
  const [limit, setLimit] = useState<number | null>(null);
  useEffect(() => {
    const asking = new AbortController();
    // Without it the server says what it thinks of a message once it is sent.
    client.heartbeat({ signal: asking.signal }).then(
      ({ max_message_chars }) => setLimit(max_message_chars ?? null),
      () => {},
    );
    return () => asking.abort();
  }, [client]);
  return limit;
}

export interface Excess {
  count: number;
  limit: number;
}

/** How far *text* is beyond what may be sent, counted as the server does; null where it is not. */
export function useExcess(text: string): Excess | null {
  return excessOf(text, useContext(Limit));
}

export function excessOf(text: string, limit: number | null): Excess | null {
  // A character has one or two units: most texts need no counting.
  if (limit === null || text.length <= limit) return null;
  const sent = text.replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, '').trim();
  const count = [...sent].length;
  return count > limit ? { count, limit } : null;
}
