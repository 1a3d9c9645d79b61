import type { Spent } from './api.js';
import type { ChatError, ChatMessage, ChatSnapshot } from './messages.js';
import type { Connection } from './network.js';
import { isOffline } from './network.js';
import { Publisher } from './publisher.js';
import { type ChatSettings, NONE } from './settings.js';
import { inPlace, inTurn } from './transcript.js';
import type { Turn } from './turn.js';

const LEFT: ChatError = { code: 'closed', message: 'The page was left before this was sent.', retryable: true };

/** What is known of a conversation, and its snapshots: at most one a frame, however often something changes. */
export class Store {
  messages: readonly ChatMessage[] = [];
  waiting: readonly ChatMessage[] = [];
  title: string | null = null;
  settings: ChatSettings = NONE;
  spent: Spent | null = null;
  connection: Connection = 'idle';
  /** The server has said that there is no such conversation. */
  isMissing = false;
  /** The server had it once. */
  wasThere = false;
  #turn: Turn | null = null;
  #error: ChatError | null = null;
  #again: (() => Promise<void>) | null = null;
  #passes = false;
  #last: Pick<ChatSnapshot, 'usage' | 'tokensPerSecond'> = { usage: null, tokensPerSecond: null };
  #snapshot: ChatSnapshot;
  readonly #listeners = new Set<() => void>();
  readonly #publisher = new Publisher(() => {
    const now = this.#build();
    if (same(now, this.#snapshot)) return;
    this.#snapshot = now;
    for (const listener of [...this.#listeners]) listener();
  });

  constructor(
    readonly conversationId: string,
    /** Whether the messages have been fetched, or need not be. */
    public loaded: boolean,
  ) {
    this.#snapshot = this.#build();
  }

  get snapshot(): ChatSnapshot {
    return this.#snapshot;
  }

  /** The reply on its way. */
  get turn(): Turn | null {
    return this.#turn;
  }

  /** What to do to try again what failed. */
  get again(): (() => Promise<void>) | null {
    return this.#again;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Publish with the next frame. */
  schedule(): void {
    this.#publisher.schedule();
  }

  publish(): void {
    this.#publisher.now();
  }

  /** *turn* is on its way from now on, in place of any other. */
  begin(turn: Turn): void {
    if (this.#turn !== turn) this.#turn?.reading.abort();
    this.#turn = turn;
    this.publish();
  }

  /** The reply on its way is a message like any other. */
  keep(turn: Turn): void {
    this.#last = { usage: turn.usage, tokensPerSecond: turn.rate.overall };
    const isJoined = turn.continues === null || turn.isBegun || turn.state === 'done';
    // A reply that was to go on, and has not, is as it was.
    if (isJoined) this.messages = inTurn(inPlace(this.messages, turn.message, turn.continues), turn);
    this.leave();
  }

  /** No reply is on its way any more. */
  leave(): void {
    this.#turn = null;
    this.connection = 'idle';
  }

  replace(id: string, change: Partial<ChatMessage>): void {
    this.messages = this.messages.map((message) => (message.id === id ? { ...message, ...change } : message));
  }

  /** *passes*: the error is over once the server has been heard again. */
  fail(error: ChatError, again: () => Promise<void>, { passes = false } = {}): void {
    this.#error = error;
    this.#again = again;
    this.#passes = passes;
    this.publish();
  }

  /** The server has been heard. */
  heard(): void {
    if (this.#passes) this.forgive();
  }

  forgive(): void {
    this.#passes = false;
    this.#error = null;
    this.#again = null;
  }

  /** Resolves once *turn* is over, or no longer read. */
  ended(turn: Turn): Promise<true> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#turn === turn && !turn.ended) return;
        forget();
        resolve(true);
      };
      const forget = this.subscribe(look);
      look();
    });
  }

  close(): void {
    this.#publisher.cancel();
    this.#turn?.reading.abort();
    this.leave();
    for (const { id, state } of this.messages) {
      if (state === 'sending' || state === 'unsent') this.replace(id, { state: 'failed', error: LEFT });
    }
  }

  #build(): ChatSnapshot {
    // Nobody thinks about a message that has not left: it says so itself.
    const isUnsent = this.#turn?.generationId === null && this.messages.at(-1)?.state === 'unsent';
    const turn = isUnsent ? null : this.#turn;
    return {
      conversationId: this.conversationId,
      messages: turn ? inPlace(this.messages, turn.message, turn.continues) : this.messages,
      waiting: this.waiting,
      isLoading: !this.loaded && this.#error === null,
      // One that never was comes to be with what is to be sent.
      isMissing: this.isMissing && (this.wasThere || this.messages.length + this.waiting.length === 0),
      isStreaming: turn !== null,
      streamingText: turn?.text ?? '',
      error: this.#error,
      queuePlace: turn?.queuePlace ?? null,
      usage: turn ? turn.usage : this.#last.usage,
      tokensPerSecond: turn ? turn.rate.recent : this.#last.tokensPerSecond,
      connection: this.#turn || !isOffline() ? this.connection : 'offline',
      settings: this.settings,
      spent: this.spent,
      title: this.title,
    };
  }
}

function same(a: ChatSnapshot, b: ChatSnapshot): boolean {
  return (Object.keys(a) as (keyof ChatSnapshot)[]).every((name) => a[name] === b[name]);
}
