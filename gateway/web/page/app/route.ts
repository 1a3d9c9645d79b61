/** Which conversation the address names: `/c/{conversation_id}`, else a new one. */
import { useCallback, useEffect, useState } from 'react';

export interface Route {
  conversationId: string | null;
  /** Changes with every navigation, and not when a new conversation gets its id. */
  key: number;
}

export interface Navigation extends Route {
  open(conversationId: string | null): void;
  /** The conversation shown is now called this. */
  settle(conversationId: string): void;
}

export function pathOf(conversationId: string | null): string {
  return conversationId === null ? '/' : `/c/${encodeURIComponent(conversationId)}`;
}

function fromAddress(): string | null {
  const found = /^\/c\/([^/]+)\/?$/.exec(location.pathname);
  if (!found?.[1]) return null;
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return null;
  }
}

export function useRoute(): Navigation {
  const [route, setRoute] = useState<Route>(() => ({ conversationId: fromAddress(), key: 0 }));
  useEffect(() => {
    const follow = () => setRoute(({ key }) => ({ conversationId: fromAddress(), key: key + 1 }));
    window.addEventListener('popstate', follow);
    return () => window.removeEventListener('popstate', follow);
  }, []);
  const open = useCallback((conversationId: string | null) => {
    if (location.pathname !== pathOf(conversationId)) history.pushState(null, '', pathOf(conversationId));
    setRoute(({ key }) => ({ conversationId, key: key + 1 }));
  }, []);
  const settle = useCallback((conversationId: string) => {
    if (fromAddress() === conversationId) return;
    history.replaceState(null, '', pathOf(conversationId));
    setRoute(({ key }) => ({ conversationId, key }));
  }, []);
  return { ...route, open, settle };
}
