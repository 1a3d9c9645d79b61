/** The caller's conversations, kept current: after every reply, on focus, and when another tab changed them. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { CHANNEL, type ConversationPage, type HeadraceClient, type ListedConversation } from '../../client/index.js';

/** As much of the list as has been asked for. */
export interface Found {
  /** What was looked for; may be behind what is being typed. */
  query: string;
  list: readonly ListedConversation[];
  /** More of them follow. */
  hasMore: boolean;
  /** Some messages were not looked at. */
  isIncomplete: boolean;
}

export interface Conversations {
  /** Null until they have been loaded. */
  found: Found | null;
  error: unknown;
  refresh(): void;
  /** Show a page more. */
  more(): void;
  rename(id: string, title: string): Promise<void>;
  remove(id: string): Promise<boolean>;
}

const TYPING_MS = 200;
/** Another device starts a conversation without a word to this one. */
const REFRESH_MS = 15_000;
const PAGE = 200;

export function useConversations(client: HeadraceClient, query: string, revision: number): Conversations {
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asking = useRef<AbortController | null>(null);
  const pages = useRef(1);

  const load = useCallback(async () => {
    asking.current?.abort();
    asking.current = new AbortController();
    const { signal } = asking.current;
    try {
      const read = await readPages(client, query, pages.current, signal);
      setFound((before) => (before && isSame(before, read) ? before : read));
      setError(null);
    } catch (failure) {
      if (!signal.aborted) setError(failure);
    }
  }, [client, query]);
  const more = useCallback(() => {
    pages.current += 1;
    void load();
  }, [load]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what is looked for anew is read from the top
  useEffect(() => {
    pages.current = 1;
  }, [query]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new revision is the reason to look again
  useEffect(() => {
    const timer = setTimeout(load, query ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [load, query, revision]);

  useEffect(() => {
    const look = () => document.visibilityState === 'visible' && void load();
    const timer = setInterval(look, REFRESH_MS);
    const channel = new BroadcastChannel(CHANNEL);
    channel.addEventListener('message', look);
    window.addEventListener('focus', look);
    window.addEventListener('online', look);
    return () => {
      clearInterval(timer);
      channel.close();
      window.removeEventListener('focus', look);
      window.removeEventListener('online', look);
      asking.current?.abort();
    };
  }, [load]);

  const edit = (change: (list: readonly ListedConversation[]) => readonly ListedConversation[]) =>
    setFound((before) => before && { ...before, list: change(before.list) });
  const rename = async (id: string, title: string) => {
    edit((list) => list.map((each) => (each.id === id ? { ...each, title } : each)));
    await change(client.rename(id, title));
  };
  const remove = async (id: string) => {
    edit((list) => list.filter((each) => each.id !== id));
    return await change(client.remove(id));
  };
  /** What the server did not take is shown as it was. */
  const change = async (request: Promise<unknown>) => {
    let isTaken = true;
    try {
      await request;
    } catch (failure) {
      isTaken = false;
      setError(failure);
    }
    await load();
    return isTaken;
  };
  return { found, error, refresh: load, more, rename, remove };
}

/** The first *count* pages, each conversation once: one that is used meanwhile changes its place. */
async function readPages(client: HeadraceClient, query: string, count: number, signal: AbortSignal): Promise<Found> {
  const byId = new Map<string, ListedConversation>();
  let page: ConversationPage | null = null;
  let isIncomplete = false;
  for (let number = 0; number < count && (page === null || page.next); number += 1) {
    page = await client.conversationPage({ query, limit: PAGE, before: page?.next, signal });
    for (const each of page.conversations) byId.set(each.id, byId.get(each.id) ?? each);
    isIncomplete ||= page.incomplete === true;
  }
  return { query, list: [...byId.values()], hasMore: page?.next !== undefined, isIncomplete };
}

function isSame(before: Found, after: Found): boolean {
  return (
    before.query === after.query &&
    before.hasMore === after.hasMore &&
    before.isIncomplete === after.isIncomplete &&
    before.list.length === after.list.length &&
    after.list.every((each, index) => {
      const old = before.list[index];
      return (
        old?.id === each.id &&
        old.title === each.title &&
        old.active === each.active &&
        old.snippet === each.snippet &&
        old.hit?.generation_id === each.hit?.generation_id
      );
    })
  );
}
