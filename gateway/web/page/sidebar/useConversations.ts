/** The caller's conversations, kept current: after every reply, on focus, and when another tab changed them. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { CHANNEL, type Conversation, type HeadraceClient } from '../../client/index.js';

export interface Conversations {
  /** Null until they have been loaded. */
  list: readonly Conversation[] | null;
  error: unknown;
  refresh(): void;
  rename(id: string, title: string): Promise<void>;
  remove(id: string): Promise<void>;
}

const TYPING_MS = 200;
/** Another device starts a conversation without a word to this one. */
const REFRESH_MS = 15_000;

export function useConversations(client: HeadraceClient, query: string, revision: number): Conversations {
  const [list, setList] = useState<readonly Conversation[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const asking = useRef<AbortController | null>(null);

  const load = useCallback(async () => {
    asking.current?.abort();
    asking.current = new AbortController();
    const { signal } = asking.current;
    try {
      const found = await client.conversations({ query, limit: 200, signal });
      setList((before) => (isSame(before, found) ? before : found));
      setError(null);
    } catch (failure) {
      if (!signal.aborted) setError(failure);
    }
  }, [client, query]);

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

  const rename = async (id: string, title: string) => {
    setList((before) => before?.map((each) => (each.id === id ? { ...each, title } : each)) ?? null);
    await change(client.rename(id, title));
  };
  const remove = async (id: string) => {
    setList((before) => before?.filter((each) => each.id !== id) ?? null);
    await change(client.remove(id));
  };
  /** What the server did not take is shown as it was. */
  const change = async (request: Promise<unknown>) => {
    try {
      await request;
    } catch (failure) {
      setError(failure);
    }
    await load();
  };
  return { list, error, refresh: load, rename, remove };
}

function isSame(before: readonly Conversation[] | null, after: readonly Conversation[]): boolean {
  return (
    before?.length === after.length &&
    after.every((each, index) => {
      const old = before[index];
      return old?.id === each.id && old.title === each.title && old.active === each.active;
    })
  );
}
