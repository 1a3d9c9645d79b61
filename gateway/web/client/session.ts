import type { ConversationDetail } from './api.js';
import { HeadraceClient } from './client.js';
import { HeadraceError } from './error.js';
import { type ChatError, type ChatMessage, type ChatSnapshot, chatError } from './messages.js';
import { Presence } from './presence.js';
import { Publisher } from './publisher.js';
import type { Connection, Reply } from './reply.js';
import { inPlace, isUnsent, merge, question } from './transcript.js';
import { Turn } from './turn.js';

export interface SessionOptions {
  client?: HeadraceClient | undefined;
  /** An existing conversation, or one to be; without an id it is a new one. */
  conversationId?: string | undefined;
  model?: string | undefined;
  /** Told once a new conversation has its first message. */
  onConversation?: ((id: string) => void) | undefined;
}

export interface SendOptions {
  model?: string | undefined;
  maxTokens?: number | undefined;
}

/** What is being asked, and what it takes to ask it again. */
interface Question extends SendOptions {
  text: string;
  /** The turn it takes the place of. */
  replaces?: string | undefined;
  /** The messages before it. */
  kept: readonly ChatMessage[];
  idempotencyKey: string;
}

const LEFT: ChatError = { code: 'closed', message: 'The page was left before it was sent.', retryable: true };

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
  readonly #client: HeadraceClient;
  readonly #presence: Presence;
  readonly #publisher = new Publisher(() => this.#publish());
  readonly #listeners = new Set<() => void>();
  #options: SessionOptions;
  #messages: readonly ChatMessage[] = [];
  #turn: Turn | null = null;
  #reply: Reply | null = null;
  #error: ChatError | null = null;
  #again: (() => Promise<void>) | null = null;
  #title: string | null = null;
  #connection: Connection = 'idle';
  #last: Pick<ChatSnapshot, 'usage' | 'tokensPerSecond'> = { usage: null, tokensPerSecond: null };
  #etag: string | null = null;
  /** The generation that answers, when last looked. */
  #active: string | null = null;
  /** One whose stream cannot be read: following it would fail again and again. */
  #unreadable: string | null = null;
  #loaded: boolean;
  /** The server has it. */
  #exists = false;
  #open: AbortController | null = null;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #snapshot: ChatSnapshot;

  constructor(options: SessionOptions = {}) {
    this.#options = options;
    this.#client = options.client ?? new HeadraceClient();
    this.conversationId = options.conversationId ?? `conv_${crypto.randomUUID().replaceAll('-', '')}`;
    this.#loaded = options.conversationId === undefined;
    this.#presence = new Presence(this.conversationId, (why) => {
      if (why === 'event' || this.#exists) void this.#look();
    });
    this.#snapshot = this.#build();
  }

  get snapshot(): ChatSnapshot {
    return this.#snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  configure(options: Pick<SessionOptions, 'model' | 'onConversation'>): void {
    this.#options = { ...this.#options, ...options };
  }

  /** Load the conversation, go on with the reply that is on its way, and follow. May follow a `close`. */
  open(): void {
    if (this.#open) return;
    this.#open = new AbortController();
    this.#presence.open();
    if (this.#exists || !this.#loaded) void this.#look();
  }

  /** Let go of the network. What is being generated goes on. */
  close(): void {
    this.#open?.abort();
    this.#open = null;
    this.#presence.close();
    this.#publisher.cancel();
    this.#turn?.reading.abort();
    this.#leave();
    // The stream of an open reply is read from its beginning next time.
    this.#etag = null;
    this.#messages = this.#messages.map((message) =>
      message.state === 'sending' ? { ...message, state: 'failed', error: LEFT } : message,
    );
  }

  /** Send a message and read the reply to its end. A reply that is still on its way is stopped first. */
  readonly sendMessage = async (text: string, options: SendOptions = {}): Promise<void> => {
    if (!text.trim()) return;
    await this.stopStream();
    await this.#ask({ text, ...options, kept: this.#messages, idempotencyKey: crypto.randomUUID() });
  };

  /** Stop the reply on its way, and keep what was said. */
  readonly stopStream = async (): Promise<void> => {
    const turn = this.#turn;
    if (!turn) return;
    const generationId = turn.generationId ?? (await within(STOP_MS, this.#reply?.accepted));
    if (this.#turn !== turn) return;
    if (generationId === null) return turn.reading.abort();
    try {
      await this.#client.cancel(generationId);
      await within(STOP_MS, this.#ended(turn));
    } catch (error) {
      this.#fail(chatError(error), this.stopStream);
    }
    if (this.#turn === turn && !this.#error) turn.reading.abort();
  };

  /** Ask again for a reply, the last one if none is named. */
  readonly regenerate = async (messageId?: string): Promise<void> => {
    await this.stopStream();
    const chosen = messageId
      ? this.#messages.find((message) => message.id === messageId)
      : this.#messages.findLast((message) => message.role === 'assistant');
    const asked = chosen?.role === 'user' ? chosen : chosen && question(this.#messages, chosen);
    if (asked) await this.#askInPlaceOf(asked, asked.content);
  };

  /** Ask something else in place of a message, and of everything behind it. */
  readonly editMessage = async (messageId: string, text: string): Promise<void> => {
    if (!text.trim()) return;
    await this.stopStream();
    const asked = this.#messages.find((message) => message.id === messageId && message.role === 'user');
    if (asked) await this.#askInPlaceOf(asked, text);
  };

  /** Do again what failed last. */
  readonly retry = async (): Promise<void> => {
    const again = this.#again;
    const last = this.#messages.at(-1);
    this.dismissError();
    if (again) return again();
    if (last && last.state !== 'done') return this.regenerate(last.id);
  };

  readonly dismissError = (): void => {
    this.#error = null;
    this.#again = null;
    this.#publisher.now();
  };

  async #askInPlaceOf(asked: ChatMessage, text: string): Promise<void> {
    const kept = this.#messages.slice(0, this.#messages.indexOf(asked));
    await this.#ask({ text, replaces: asked.generationId, kept, idempotencyKey: crypto.randomUUID() });
  }

  async #ask(asking: Question): Promise<void> {
    const before = this.#messages;
    const turn = new Turn(null);
    const id = crypto.randomUUID();
    const user: ChatMessage = { id, role: 'user', content: asking.text, createdAt: Date.now(), state: 'sending' };
    this.#messages = [...asking.kept, user];
    this.#error = null;
    this.#again = null;
    const reply = this.#client.start(
      {
        message: asking.text,
        conversationId: this.conversationId,
        model: asking.model ?? this.#options.model,
        maxTokens: asking.maxTokens,
        replaces: asking.replaces,
        idempotencyKey: asking.idempotencyKey,
      },
      this.#streamOptions(turn),
    );
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
    turn.settle(turn.state);
    turn.generationId = generationId;
    this.#replace(userId, { state: 'done', generationId });
    this.#publisher.schedule();
    this.#presence.announce();
    if (this.#exists) return;
    this.#exists = true;
    this.#options.onConversation?.(this.conversationId);
  }

  /** The server never took it: the user's text stays, and what it was to replace comes back. */
  #refused(turn: Turn, asking: Question, userId: string, before: readonly ChatMessage[]): void {
    if (this.#turn !== turn) return;
    const error = turn.error;
    if (asking.replaces !== undefined) this.#messages = before;
    else this.#replace(userId, error ? { state: 'failed', error } : { state: 'cancelled' });
    this.#leave();
    if (error) {
      this.#fail(error, () => {
        this.#messages = this.#messages.filter((message) => message.id !== userId);
        return this.#ask({ ...asking, kept: asking.replaces === undefined ? this.#messages : asking.kept });
      });
    }
    this.#publisher.now();
    if (error?.code === 'busy') void this.#look();
  }

  async #attach(generationId: string): Promise<void> {
    const shown = this.#messages.find(({ role, ...of }) => role === 'assistant' && of.generationId === generationId);
    if (shown) this.#messages = this.#messages.filter((message) => message !== shown);
    const turn = new Turn(generationId, shown?.id);
    if (this.#error && isLost(this.#error)) this.#error = this.#again = null;
    await this.#read(turn, this.#client.attach(generationId, this.#streamOptions(turn)));
    this.#finish(turn);
  }

  /** Read to the end, whatever that is; the turn says what came of it. */
  async #read(turn: Turn, reply: Reply): Promise<void> {
    this.#turn?.reading.abort();
    this.#turn = turn;
    this.#reply = reply;
    this.#publisher.now();
    try {
      for await (const event of reply) {
        turn.apply(event);
        this.#publisher.schedule();
      }
      if (!turn.ended) await this.#settle(turn);
    } catch (error) {
      if (turn.reading.signal.aborted) turn.settle('cancelled');
      else if (error instanceof HeadraceError && (error.code === 'gone' || error.code === 'not_found')) {
        await this.#settle(turn).catch((failure: unknown) => turn.fail(chatError(failure)));
      } else turn.fail(chatError(error));
    }
  }

  /** Its log is no more, or was read to its end before: the record says how it ended. */
  async #settle(turn: Turn): Promise<void> {
    if (turn.generationId === null) return;
    const status = await this.#client.status(turn.generationId, { signal: turn.reading.signal });
    turn.settle(status.state === 'running' ? 'streaming' : status.state, status.text, status.usage);
    if (status.error) turn.fail({ ...status.error, retryable: true });
  }

  #finish(turn: Turn): void {
    if (this.#turn !== turn) return;
    this.#last = { usage: turn.usage, tokensPerSecond: turn.rate.overall };
    this.#messages = inPlace(this.#messages, turn.message);
    const { error, generationId } = turn;
    this.#leave();
    if (error) {
      const isReadable = isLost(error) && generationId !== null;
      if (!isReadable) this.#unreadable = generationId;
      this.#fail(error, isReadable ? () => this.#attach(generationId) : () => this.regenerate(turn.id));
    }
    this.#publisher.now();
    this.#presence.announce();
    void this.#look();
  }

  /** See how the conversation stands; go on with what answers in it. */
  #look(): Promise<void> {
    if (!this.#open || this.#turn) return Promise.resolve();
    if (this.#looking) {
      this.#lookAgain = true;
      return this.#looking;
    }
    this.#looking = this.#fetch(this.#open.signal).finally(() => {
      this.#looking = null;
      if (this.#lookAgain) void this.#look();
    });
    return this.#looking;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const before = this.#messages;
    this.#lookAgain = false;
    try {
      const seen = await this.#client.conversation(this.conversationId, { etag: this.#etag, signal });
      // An action of the user has overtaken it.
      if (this.#turn || this.#messages !== before) return;
      this.#exists = this.#loaded = true;
      if (seen.changed) this.#take(seen.detail, seen.etag);
      if (this.#active && this.#active !== this.#unreadable) return void this.#attach(this.#active);
      if (!seen.changed) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof HeadraceError && error.status === 404) this.#missing();
      else if (!this.#loaded) this.#fail(chatError(error), () => this.#look());
    }
    this.#publisher.now();
  }

  #take({ conversation, messages }: ConversationDetail, etag: string | null): void {
    this.#etag = etag;
    this.#active = conversation.active;
    this.#title = conversation.title || null;
    this.#messages = merge(this.#messages, messages);
  }

  /** Not there yet, or not any more: nothing to ask for until somebody says so. */
  #missing(): void {
    if (this.#exists) this.#messages = this.#messages.filter(isUnsent);
    this.#exists = false;
    this.#loaded = true;
    this.#etag = this.#active = null;
  }

  #streamOptions(turn: Turn): { signal: AbortSignal; onConnection: (connection: Connection) => void } {
    return {
      signal: turn.reading.signal,
      onConnection: (connection) => {
        if (this.#turn !== turn) return;
        this.#connection = connection;
        this.#publisher.schedule();
      },
    };
  }

  /** Returns once *turn* is over, or its reader has left. */
  #ended(turn: Turn): Promise<true> {
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

  #leave(): void {
    this.#turn = null;
    this.#reply = null;
    this.#connection = 'idle';
  }

  #fail(error: ChatError, again: () => Promise<void>): void {
    this.#error = error;
    this.#again = again;
    this.#publisher.schedule();
  }

  #replace(id: string, change: Partial<ChatMessage>): void {
    this.#messages = this.#messages.map((message) => (message.id === id ? { ...message, ...change } : message));
  }

  #publish(): void {
    this.#snapshot = this.#build();
    for (const listener of [...this.#listeners]) listener();
  }

  #build(): ChatSnapshot {
    const turn = this.#turn;
    return {
      conversationId: this.conversationId,
      messages: turn ? inPlace(this.#messages, turn.message) : this.#messages,
      isLoading: !this.#loaded && this.#error === null,
      isStreaming: turn !== null,
      streamingText: turn?.text ?? '',
      error: this.#error,
      queuePlace: turn?.queuePlace ?? null,
      usage: turn ? turn.usage : this.#last.usage,
      tokensPerSecond: turn ? turn.rate.recent : this.#last.tokensPerSecond,
      connection: this.#connection,
      title: this.#title,
    };
  }
}

/** Whether a reply was lost on its way to us; it may well go on. */
function isLost(error: ChatError): boolean {
  return ['unreachable', 'cut', 'silent', 'gap', 'unavailable', 'too_busy', 'http_error'].includes(error.code);
}

function within<T>(ms: number, promise: Promise<T> | undefined): Promise<T | null> {
  if (!promise) return Promise.resolve(null);
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise.catch(() => null), late]).finally(() => clearTimeout(timer));
}
