/** How long what has arrived may be held back. */
export const MOST_BEHIND_MS = 250;

/**
 * How much of a text that arrives in bursts is shown: what waits is spread over the time until it must be there.
 * Never behind by more than that, and never slower than the text comes.
 */
export class EvenFlow {
  /** Up to which length the text had arrived when. */
  #arrivals: { length: number; at: number }[] = [];
  #shown: number;
  #length: number;
  #at = 0;

  constructor(length: number) {
    this.#shown = this.#length = length;
  }

  /** The text has this length now. */
  take(length: number, now: number): void {
    if (length <= this.#length) return;
    // What has waited for nothing begins now.
    if (this.isWhole) this.#at = now;
    this.#length = length;
    this.#arrivals.push({ length, at: now });
  }

  /** All of a text of this length is shown. */
  skip(length: number): void {
    this.#shown = this.#length = length;
    this.#arrivals = [];
  }

  get isWhole(): boolean {
    return this.#shown >= this.#length;
  }

  /** The length that is shown. */
  at(now: number): number {
    const newest = this.#arrivals.at(-1);
    if (!newest) return this.#shown;
    const passed = Math.max(0, now - this.#at);
    this.#at = now;
    const left = newest.at + MOST_BEHIND_MS - (now - passed);
    const share = left <= passed ? 1 : passed / left;
    this.#shown += (this.#length - this.#shown) * share;
    for (let first = this.#arrivals[0]; first && first.at + MOST_BEHIND_MS <= now; first = this.#arrivals[0]) {
      this.#shown = Math.max(this.#shown, first.length);
      this.#arrivals.shift();
    }
    return this.#shown;
  }
}
