import { useCallback, useEffect, useState } from 'react';
import type { HeadraceClient, Model } from '../../client/index.js';

const KEY = 'headrace.model';

interface Models {
  models: readonly Model[];
  /** Undefined is the server's own choice. */
  model: string | undefined;
  choose(id: string | undefined): void;
}

/** The server's models and the one chosen, which this browser remembers. */
export function useModels(client: HeadraceClient, keyNumber: number): Models {
  const [models, setModels] = useState<readonly Model[]>([]);
  const [chosen, setChosen] = useState(remembered);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another key may see other models
  useEffect(() => {
    const asking = new AbortController();
    // Without the list there is no choice; the conversation says what is wrong with the server.
    client.models({ signal: asking.signal }).then(setModels, () => {});
    return () => asking.abort();
  }, [client, keyNumber]);
  const choose = useCallback((id: string | undefined) => {
    setChosen(id);
    try {
      if (id === undefined) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, id);
    } catch {
      // No storage: it holds until the page is closed.
    }
  }, []);
  return { models, model: models.some(({ id }) => id === chosen) ? chosen : undefined, choose };
}

function remembered(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
