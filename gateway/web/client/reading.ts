import type { HeadraceClient } from './client.js';
import { HeadraceError } from './error.js';
import { chatError } from './messages.js';
import type { Reply } from './reply.js';
import type { Turn } from './turn.js';

/** Read *reply* to its end, whatever that is; the turn says what came of it. Never throws. */
export async function readToEnd(client: HeadraceClient, turn: Turn, reply: Reply, onEvent: () => void): Promise<void> {
  try {
    for await (const event of reply) {
      turn.apply(event);
      onEvent();
    }
    if (!turn.ended) await settle(client, turn);
  } catch (error) {
    if (turn.reading.signal.aborted) turn.settle('cancelled');
    else if (error instanceof HeadraceError && (error.code === 'gone' || error.code === 'not_found')) {
      await settle(client, turn).catch((failure: unknown) => turn.fail(chatError(failure)));
    } else turn.lose(chatError(error));
  }
}

/** Its log is no more, or was read to its end before: the record says how it ended. */
async function settle(client: HeadraceClient, turn: Turn): Promise<void> {
  if (turn.generationId === null) throw new HeadraceError('It is not known.', { code: 'not_found', retryable: false });
  const status = await client.status(turn.generationId, { signal: turn.reading.signal });
  const state = status.state === 'running' ? 'streaming' : status.state;
  turn.settle(state, status.text, status.usage, status.finish_reason);
  if (status.error) turn.fail({ ...status.error, retryable: true });
}

/** What *promise* brings in time, else null. */
export function within<T>(ms: number, promise: Promise<T> | undefined): Promise<T | null> {
  if (!promise) return Promise.resolve(null);
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise.catch(() => null), late]).finally(() => clearTimeout(timer));
}
