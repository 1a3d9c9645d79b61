const HIDDEN_MS = 250;
const FRAME_MS = 24;

/** Publishes at most once a frame, however often something changes. */
export class Publisher {
  readonly #publish: () => void;
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(publish: () => void) {
    this.#publish = publish;
  }

  schedule(): void {
    if (this.#timer !== null) return;
    const framed = typeof requestAnimationFrame === 'function';
    if (framed) this.#frame = requestAnimationFrame(this.now);
    // A hidden page has no frames.
    this.#timer = setTimeout(this.now, framed ? HIDDEN_MS : FRAME_MS);
  }

  readonly now = (): void => {
    this.cancel();
    this.#publish();
  };

  cancel(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#frame = null;
    this.#timer = null;
  }
}
