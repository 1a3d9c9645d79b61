import type { HeadraceClient } from './client.js';
import { within } from './reading.js';
import type { Store } from './store.js';
import type { Turn } from './turn.js';

/** How long to wait for what a stop should bring at once. */
const STOP_MS = 3_000;

/**
 * Stop the reply on its way, and keep what was said; where it has not been *accepted* yet, once it is. Throws
 * what the server says against it: then it goes on.
 */
export async function stop(
  client: HeadraceClient,
  store: Store,
  turn: Turn,
  accepted: Promise<string> | undefined,
): Promise<void> {
  const generationId = turn.generationId ?? (await within(STOP_MS, accepted));
  if (generationId !== null && store.turn === turn) {
    await client.cancel(generationId);
    await within(STOP_MS, store.ended(turn));
  }
  turn.reading.abort();
  await store.ended(turn);
}
