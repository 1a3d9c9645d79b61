const WINDOW_MS = 3_000;
/** Less than this says nothing about a rate. */
const LEAST_MS = 250;

/**
 * Tokens a second by the worker's clock, not by arrival: what was missed arrives in one burst.
 */
export class Rate {
  #samples: { ts: number; total: number }[] = [];
  #first: { ts: number; total: number } | null = null;
  #total = 0;

  add(ts: number, tokens: number): void {
    this.#total += tokens;
    const sample = { ts, total: this.#total };
    this.#first ??= sample;
    const last = this.#samples.at(-1);
    // A few samples a second are enough, and bound the list.
    if (last && ts - last.ts < LEAST_MS / 5 && this.#samples.length > 1) last.total = this.#total;
    else this.#samples.push(sample);
    while (this.#samples.length > 2 && ts - (this.#samples[0]?.ts ?? ts) > WINDOW_MS) this.#samples.shift();
  }

  /** Over the last seconds. */
  get recent(): number | null {
    return rate(this.#samples[0], this.#samples.at(-1));
  }

  /** From the first token to the last. */
  get overall(): number | null {
    return rate(this.#first ?? undefined, this.#samples.at(-1));
  }
}

function rate(from?: { ts: number; total: number }, to?: { ts: number; total: number }): number | null {
  if (!from || !to || to.ts - from.ts < LEAST_MS) return null;
  return ((to.total - from.total) / (to.ts - from.ts)) * 1000;
}
