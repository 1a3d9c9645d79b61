/** A part of the renderer that is fetched when it is first wanted; who asked renders again once it is there. */
import { useEffect, useSyncExternalStore } from 'react';

export interface Extension<T> {
  /** Null until it has been fetched. */
  use(isWanted: boolean): T | null;
}

export function extension<T>(load: () => Promise<T>): Extension<T> {
  let loaded: T | null = null;
  let loading: Promise<void> | null = null;
  const listeners = new Set<() => void>();
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const fetchOnce = () => {
    loading ??= load().then(
      (value) => {
        loaded = value;
        for (const listener of listeners) listener();
      },
      // Without it the source is shown. The next one that wants it asks again.
      () => {
        loading = null;
      },
    );
  };
  return {
    use(isWanted) {
      useEffect(() => {
        if (isWanted) fetchOnce();
      }, [isWanted]);
      const value = useSyncExternalStore(subscribe, () => loaded);
      return isWanted ? value : null;
    },
  };
}
