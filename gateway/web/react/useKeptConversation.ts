import { useCallback, useState } from 'react';

interface Kept {
  id: string | null;
  /** Changes with every new conversation that is begun, and not when it gets its id. */
  number: number;
  keep(id: string): void;
  forget(): void;
}

/** The conversation that this browser remembers under *key*; with null, none. */
export function useKeptConversation(key: string | null): Kept {
  const [kept, setKept] = useState(() => ({ id: read(key), number: 0 }));
  const keep = useCallback(
    (id: string) => {
      write(key, id);
      setKept(({ number }) => ({ id, number }));
    },
    [key],
  );
  const forget = useCallback(() => {
    write(key, null);
    setKept(({ number }) => ({ id: null, number: number + 1 }));
  }, [key]);
  return { ...kept, keep, forget };
}

function read(key: string | null): string | null {
  try {
    return key === null ? null : localStorage.getItem(key);
  } catch {
    // No storage: it holds until the page is closed.
    return null;
  }
}

function write(key: string | null, id: string | null): void {
  try {
    if (key === null) return;
    if (id === null) localStorage.removeItem(key);
    else localStorage.setItem(key, id);
  } catch {
    // As above.
  }
}
