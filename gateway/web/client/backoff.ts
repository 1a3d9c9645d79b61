import type { HeadraceError } from './error.js';
import { isOffline, pause } from './network.js';

const MAX_DELAY_MS = 15_000;

/**
 * How long to wait after each failure in a row, and when to give up.
 *
 * The time without progress adds up from delays and durations, not from the clock: a laptop that was
 * closed over night, or a browser without network, has not used any of it up.
 */
export class Backoff {
  #failures = 0;
  #spentMs = 0;

  constructor(
    /** What the server said to wait; the first delay. */
    public baseMs: number,
    /** Longest time without progress. */
    public limitMs: number,
  ) {}

  progressed(): void {
    this.#failures = 0;
    this.#spentMs = 0;
  }

  /** Wait before the next try. Throws *error* when that is hopeless, the signal's reason when it fires. */
  async wait(error: HeadraceError, tookMs: number, signal: AbortSignal): Promise<void> {
    const delayMs = jittered(Math.max(this.#delayMs(), error.retryAfterMs ?? 0));
    this.#failures += 1;
    if (!isOffline()) this.#spentMs += tookMs + delayMs;
    if (!error.retryable || this.#spentMs > this.limitMs) throw error;
    await pause(delayMs, signal);
  }

  /** Doubled with each failure. */
  #delayMs(): number {
    return Math.min(this.baseMs * 2 ** this.#failures, Math.max(MAX_DELAY_MS, this.baseMs));
  }
}

/** Never less, and lest all readers whom a server told the same come back in one moment. */
function jittered(delayMs: number): number {
  return delayMs * (1 + Math.random() / 2);
}
