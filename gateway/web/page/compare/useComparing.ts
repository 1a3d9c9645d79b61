/** Whether two models are asked side by side, and from where on. */
import { useCallback, useState } from 'react';
import type { HeadraceClient } from '../../client/index.js';

export interface Comparing {
  /** The conversation that both go on from, and its copy; none where both are new. */
  from: { id: string; copy: string } | null;
}

export function useComparing(client: HeadraceClient) {
  const [comparing, setComparing] = useState<Comparing | null>(null);
  /** False where the conversation cannot be copied now. */
  const begin = useCallback(
    async (id: string | null): Promise<boolean> => {
      try {
        setComparing({ from: id === null ? null : { id, copy: (await client.fork(id)).id } });
        return true;
      } catch {
        return false;
      }
    },
    [client],
  );
  const end = useCallback(() => setComparing(null), []);
  return { comparing, begin, end };
}
