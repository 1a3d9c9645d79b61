import { HeadraceError } from './error.js';
import { onReturn } from './network.js';

const LONGEST_TICK_MS = 1_000;

/**
 * Watches over one connection: cuts it when nothing was heard for too long, when the network has come back
 * (what was open before belongs to the old one), or when its owner's signal fires.
 */
export class Watch {
  readonly #cut = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #forget: () => void;
  readonly #owner: AbortSignal;
  /** This much silence is too long. */
  silenceMs: number;
  #heardAt = Date.now();

  constructor(silenceMs: number, owner: AbortSignal) {
    this.silenceMs = silenceMs;
    this.#owner = owner;
    // The clock, not one long timer: timers stand still while a laptop is closed.
    this.#timer = setInterval(
      () => {
        if (Date.now() - this.#heardAt > this.silenceMs) this.cut('silent', 'The server is silent.');
      },
      Math.min(silenceMs / 4, LONGEST_TICK_MS),
    );
    this.#forget = onReturn(() => this.cut('moved', 'The network has changed.'));
    if (owner.aborted) this.#follow();
    else owner.addEventListener('abort', this.#follow, { once: true });
  }

  /** Fires when the connection is cut. */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  alive(): void {
    this.#heardAt = Date.now();
  }

  /** *work*, with the connection's end told as what it was. Does not outwait a cut. */
  async guard<T>(work: Promise<T>): Promise<T> {
    let cut!: () => void;
    const ended = new Promise<never>((_, reject) => {
      cut = () => reject(this.signal.reason);
    });
    if (this.signal.aborted) cut();
    this.signal.addEventListener('abort', cut, { once: true });
    try {
      return await Promise.race([work, ended]);
    } catch (cause) {
      this.signal.throwIfAborted();
      if (cause instanceof HeadraceError) throw cause;
      throw new HeadraceError('The connection broke.', { code: 'cut', retryable: true }, { cause });
    } finally {
      this.signal.removeEventListener('abort', cut);
      work.catch(() => {});
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#forget();
    this.#owner.removeEventListener('abort', this.#follow);
    this.#cut.abort();
  }

  readonly #follow = (): void => this.#cut.abort(this.#owner.reason);

  /** End the connection, which then tells *code*; another may be better. */
  cut(code: string, message: string): void {
    this.#cut.abort(new HeadraceError(message, { code, retryable: true }));
  }
}
