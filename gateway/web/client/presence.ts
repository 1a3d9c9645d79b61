/** What pages tell one another: this conversation has changed. */
export const CHANNEL = 'headrace';

export interface Announcement {
  conversationId: string;
}

/**
 * Says when to look at a conversation again: now and then while the page is seen, at once when the page or
 * the network comes back, and when another page of this browser says that something has changed.
 */
export class Presence {
  readonly #conversationId: string;
  readonly #everyMs: number;
  readonly #look: (why: 'timer' | 'event') => void;
  #channel: BroadcastChannel | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(conversationId: string, everyMs: number, look: (why: 'timer' | 'event') => void) {
    this.#conversationId = conversationId;
    this.#everyMs = everyMs;
    this.#look = look;
  }

  open(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#seen() && this.#look('timer'), this.#everyMs);
    if (typeof window === 'undefined') return;
    for (const event of ['focus', 'online', 'pageshow'] as const) window.addEventListener(event, this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    if (typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = ({ data }: MessageEvent<Partial<Announcement> | null>) => {
      // A page from before or after an update may say something else.
      if (data?.conversationId === this.#conversationId) this.#look('event');
    };
  }

  /** Tells this browser's other pages. */
  announce(): void {
    this.#channel?.postMessage({ conversationId: this.#conversationId } satisfies Announcement);
  }

  close(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#channel?.close();
    this.#channel = null;
    if (typeof window === 'undefined') return;
    for (const event of ['focus', 'online', 'pageshow'] as const) window.removeEventListener(event, this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
  }

  readonly #wake = (): void => {
    if (this.#seen()) this.#look('event');
  };

  #seen(): boolean {
    return typeof document === 'undefined' || document.visibilityState !== 'hidden';
  }
}
