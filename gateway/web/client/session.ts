import { HeadraceClient } from './client.js';
import { HeadraceError } from './error.js';
import { Follower } from './follower.js';
import { type ChatError, type ChatMessage, type ChatSnapshot, chatError } from './messages.js';
import type { Reply, StreamOptions } from './reply.js';
import { Store } from './store.js';
import { question } from './transcript.js';
import { Turn } from './turn.js';
import { uuid } from './uuid.js';

export interface SessionOptions {
  client?: HeadraceClient | undefined;
  /** An existing conversation, or one to be; without an id it is a new one. */
  conversationId?: string | undefined;
  model?: string | undefined;
  /** Told once a new conversation has its first message. */
  onConversation?: ((id: string) => void) | undefined;
  /** How often to look, in ms, whether somebody else has written in it; 2,500 by default. */
  followMs?: number | undefined;
}

export interface SendOptions {
  model?: string | undefined;
  maxTokens?: number | undefined;
}

/** What is asked, and what it takes to ask it again. */
interface Question extends SendOptions {
  text: string;
  /** The messages before it. */
  kept: readonly ChatMessage[];
  /** The turn it takes the place of. */
  replaces?: string | undefined;
  idempotencyKey: string;
}

const LEFT: ChatError = { code: 'closed', message: 'The page was left before this was sent.', retryable: true };
const FOLLOW_MS = 2_500;
/** How long to wait for what a stop should bring at once. */
const STOP_MS = 3_000;

/**
 * One conversation as a page shows it: a store of snapshots, and the actions of its user.
 *
 * Actions never throw: what went wrong is in the snapshot. While open it follows the conversation, whoever
 * else writes in it.
 */
export class ChatSession {
  readonly conversationId: string;
  readonly subscribe: (listener: () => void) => () => void;
  readonly #client: HeadraceClient;
  readonly #store: Store;
  readonly #follower: Follower;
  #options: SessionOptions;
  #reply: Reply | null = null;

  constructor(options: SessionOptions = {}) {
    this.#options = options;
    this.#client = options.client ?? new HeadraceClient();
    this.conversationId = options.conversationId ?? `conv_${uuid().replaceAll('-', '')}`;
    this.#store = new Store(this.conversationId, options.conversationId === undefined);
    const { followMs = FOLLOW_MS } = options;
    this.#follower = new Follower(this.#client, this.#store, followMs, (generationId) => this.#attach(generationId));
    this.subscribe = this.#store.subscribe;
  }

  get snapshot(): ChatSnapshot {
    return this.#store.snapshot;
  }

  configure(options: Pick<SessionOptions, 'model' | 'onConversation'>): void {
    this.#options = { ...this.#options, ...options };
  }

  /** Load the conversation, go on with the reply that is on its way, and follow. May come after a `close`. */
  open(): void {
    this.#follower.open();
  }

  /** Let go of the network. What is being generated goes on. */
  close(): void {
    this.#follower.close();
    this.#store.close();
    for (const { id, state } of this.#store.messages) {
      if (state === 'sending') this.#store.replace(id, { state: 'failed', error: LEFT });
    }
  }

  /** Send a message and read the reply to its end. A reply that is still on its way is stopped first. */
  readonly sendMessage = async (text: string, options: SendOptions = {}): Promise<void> => {
    if (!text.trim()) return;
    if (this.#store.turn) await this.stopStream();
    await this.#ask({ text, ...options, kept: this.#store.messages, idempotencyKey: uuid() });
  };

  /** Stop the reply on its way, and keep what was said. */
  readonly stopStream = async (): Promise<void> => {
    const turn = this.#store.turn;
    if (!turn) return;
    const generationId = turn.generationId ?? (await within(STOP_MS, this.#reply?.accepted));
    if (generationId !== null && this.#store.turn === turn) {
      try {
        await this.#client.cancel(generationId);
        await within(STOP_MS, this.#store.ended(turn));
      } catch (error) {
        return this.#store.fail(chatError(error), this.stopStream);
      }
    }
    turn.reading.abort();
    await this.#store.ended(turn);
  };

  /** Ask again for a reply, the last one if none is named. */
  readonly regenerate = async (messageId?: string): Promise<void> => {
    if (this.#store.turn) await this.stopStream();
    const { messages } = this.#store;
    const chosen = messages.findLast(({ id, role }) => (messageId ? id === messageId : role === 'assistant'));
    const asked = chosen?.role === 'user' ? chosen : chosen && question(messages, chosen);
    if (asked) await this.#askInPlaceOf(asked, asked.content);
  };

  /** Ask something else in place of a message, and of everything behind it. */
  readonly editMessage = async (messageId: string, text: string): Promise<void> => {
    if (!text.trim()) return;
    if (this.#store.turn) await this.stopStream();
    const asked = this.#store.messages.find(({ id, role }) => id === messageId && role === 'user');
    if (asked) await this.#askInPlaceOf(asked, text);
  };

  /** Do again what failed last. */
  readonly retry = async (): Promise<void> => {
    const { again, messages } = this.#store;
    const last = messages.at(-1);
    this.dismissError();
    if (again) return again();
    if (last && (last.state === 'failed' || last.state === 'cancelled')) return this.regenerate(last.id);
  };

  readonly dismissError = (): void => {
    this.#store.forgive();
    this.#store.publish();
  };

  async #askAnew(generationId: string): Promise<void> {
    const asked = this.#store.messages.find((one) => one.role === 'user' && one.generationId === generationId);
    if (asked) await this.#askInPlaceOf(asked, asked.content);
  }

  async #askInPlaceOf(asked: ChatMessage, text: string): Promise<void> {
    const kept = this.#store.messages.slice(0, this.#store.messages.indexOf(asked));
    await this.#ask({ text, replaces: asked.generationId, kept, idempotencyKey: uuid() });
  }

  async #ask(asking: Question): Promise<void> {
    const before = this.#store.messages;
    const turn = new Turn(null);
    const id = uuid();
    const user: ChatMessage = { id, role: 'user', content: asking.text, createdAt: Date.now(), state: 'sending' };
    this.#store.messages = [...asking.kept, user];
    this.#store.forgive();
    const { text: message, kept: _, model = this.#options.model, ...more } = asking;
    const request = { message, conversationId: this.conversationId, model, ...more };
    const reply = this.#client.start(request, this.#streamOptions(turn));
    const accepted = reply.accepted.then(
      (generationId) => this.#accepted(turn, id, generationId),
      () => {},
    );
    await this.#read(turn, reply);
    await accepted;
    if (turn.generationId === null) this.#refused(turn, asking, id, before);
    else this.#finish(turn);
  }

  #accepted(turn: Turn, userId: string, generationId: string): void {
    turn.accepted(generationId);
    this.#store.replace(userId, { state: 'done', generationId });
    this.#store.schedule();
    this.#follower.announce();
    if (this.#follower.exists) return;
    this.#follower.exists = true;
    this.#options.onConversation?.(this.conversationId);
  }

  /** The server never took it: the user's text stays, and what it was to replace comes back. */
  #refused(turn: Turn, asking: Question, userId: string, before: readonly ChatMessage[]): void {
    if (this.#store.turn !== turn) return;
    const { error } = turn;
    if (asking.replaces !== undefined) this.#store.messages = before;
    else this.#store.replace(userId, error ? { state: 'failed', error } : { state: 'cancelled' });
    this.#store.leave();
    const again = (): Promise<void> => {
      this.#store.messages = this.#store.messages.filter(({ id }) => id !== userId);
      return this.#ask({ ...asking, kept: asking.replaces === undefined ? this.#store.messages : asking.kept });
    };
    if (error) this.#store.fail(error, again);
    else this.#store.publish();
    if (error?.code === 'busy') void this.#follower.look();
  }

  async #attach(generationId: string): Promise<void> {
    const shown = this.#store.messages.find((one) => one.role === 'assistant' && one.generationId === generationId);
    if (shown) this.#store.messages = this.#store.messages.filter((message) => message !== shown);
    const turn = new Turn(generationId, shown?.id);
    await this.#read(turn, this.#client.attach(generationId, this.#streamOptions(turn)));
    this.#finish(turn);
  }

  /** Read to the end, whatever that is; the turn says what came of it. */
  async #read(turn: Turn, reply: Reply): Promise<void> {
    this.#reply = reply;
    this.#store.begin(turn);
    try {
      for await (const event of reply) {
        turn.apply(event);
        this.#store.schedule();
      }
      if (!turn.ended) await this.#settle(turn);
    } catch (error) {
      if (turn.reading.signal.aborted) turn.settle('cancelled');
      else if (error instanceof HeadraceError && (error.code === 'gone' || error.code === 'not_found')) {
        await this.#settle(turn).catch((failure: unknown) => turn.fail(chatError(failure)));
      } else turn.lose(chatError(error));
    }
  }

  /** Its log is no more, or was read to its end before: the record says how it ended. */
  async #settle(turn: Turn): Promise<void> {
    if (turn.generationId === null)
      throw new HeadraceError('It is not known.', { code: 'not_found', retryable: false });
    const status = await this.#client.status(turn.generationId, { signal: turn.reading.signal });
    turn.settle(status.state === 'running' ? 'streaming' : status.state, status.text, status.usage);
    if (status.error) turn.fail({ ...status.error, retryable: true });
  }

  #finish(turn: Turn): void {
    if (this.#store.turn !== turn) return;
    this.#store.keep(turn);
    const { error, generationId } = turn;
    if (error && generationId !== null) {
      const { isLost } = turn;
      if (!isLost) this.#follower.avoid(generationId);
      const again = isLost ? () => this.#attach(generationId) : () => this.#askAnew(generationId);
      this.#store.fail(error, again, { passes: isLost });
    }
    this.#store.publish();
    this.#follower.announce();
    void this.#follower.look();
  }

  #streamOptions(turn: Turn): StreamOptions {
    return {
      signal: turn.reading.signal,
      onConnection: (connection) => {
        if (this.#store.turn !== turn) return;
        this.#store.connection = connection;
        this.#store.schedule();
      },
    };
  }
}

/** What *promise* brings in time, else null. */
function within<T>(ms: number, promise: Promise<T> | undefined): Promise<T | null> {
  if (!promise) return Promise.resolve(null);
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise.catch(() => null), late]).finally(() => clearTimeout(timer));
}
