/** With nothing new for so long, a connection has caught up. */
const QUIET_MS = 60;
/** A busy stream is never quiet: what follows comes from another page, or with the next connection. */
const MOST_MS = 400;

/** Says when a connection that is to be short has had its time, counted from its first bytes. */
export class Sip {
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #most: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly done: () => void) {}

  heard(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(this.done, QUIET_MS);
    this.#most ??= setTimeout(this.done, MOST_MS);
  }

  close(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#most);
  }
}
