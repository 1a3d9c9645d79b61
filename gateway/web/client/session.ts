import { HeadraceClient } from './client.js';
import { Continuing } from './continuing.js';
import { Follower } from './follower.js';
import { type ChatError, type ChatMessage, type ChatSnapshot, chatError, type SendOptions } from './messages.js';
import type { SessionOptions } from './options.js';
import { type OutboxEntry, outbox } from './outbox.js';
import { Pending, request } from './pending.js';
import { readToEnd } from './reading.js';
import type { Reply, StreamOptions } from './reply.js';
import { type ChatSettings, NONE, sameSettings } from './settings.js';
import { stop } from './stopping.js';
import { Store } from './store.js';
import { isUnsent, question } from './transcript.js';
import { Turn } from './turn.js';
import { uuid } from './uuid.js';

/** What is asked, and what it takes to ask it again. */
interface Question {
  entry: OutboxEntry;
  /** The messages before it. */
  kept: readonly ChatMessage[];
  /** The user has written it: it must not be lost. */
  isWritten: boolean;
}

const STOPPED: ChatError = { code: 'stopped', message: 'This was stopped before it was sent.', retryable: true };
const FOLLOW_MS = 2_500;

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
  readonly #pending: Pending;
  readonly #continuing: Continuing;
  #isNamed: boolean;
  #options: SessionOptions;
  #reply: Reply | null = null;

  constructor(options: SessionOptions = {}) {
    this.#options = options;
    this.#client = options.client ?? new HeadraceClient();
    this.conversationId = options.conversationId ?? `conv_${uuid().replaceAll('-', '')}`;
    this.#store = new Store(this.conversationId, options.conversationId === undefined);
    this.#isNamed = options.conversationId !== undefined;
    const { followMs = FOLLOW_MS } = options;
    this.#follower = new Follower(
      this.#client,
      this.#store,
      followMs,
      (generationId) => this.#attach(generationId),
      (active) => void this.#pending.restore().then(() => this.#pending.seen(active)),
    );
    this.#pending = new Pending(this.#client, this.#store, options.outbox ?? outbox(), {
      ask: (entry) => this.#askKept(entry),
      look: () => this.#follower.look(),
      announce: () => this.#follower.announce(),
    });
    this.#continuing = new Continuing(this.#client, this.#store, {
      read: (turn, reply) => this.#read(turn, reply),
      finish: (turn) => this.#finish(turn),
      options: (turn) => this.#streamOptions(turn),
      look: () => this.#follower.look(),
    });
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
    this.#pending.open();
  }

  /** Let go of the network. What is being generated goes on. */
  close(): void {
    this.#pending.close();
    this.#follower.close();
    this.#store.close();
  }

  /**
   * Send a message and read the reply to its end. A reply that is still on its way is stopped first, or with
   * `onBusy: 'queue'` ends first; then this resolves once the message is kept.
   */
  readonly sendMessage = async (text: string, options: SendOptions = {}): Promise<void> => {
    if (!text.trim()) return;
    const { model = this.#model, ...more } = options;
    const entry = this.#pending.entry(text, { model, settings: this.#newSettings, ...more });
    if (entry.mayWait && (this.#store.turn || this.#pending.isFilled)) {
      await this.#pending.add(entry);
      return this.#pending.flush();
    }
    if (this.#store.turn) await this.stopStream();
    await this.#ask({ entry, kept: this.#store.messages, isWritten: true });
  };

  /** Take a message back that has no turn yet. Resolves with its text; null where its turn has come. */
  readonly takeBack = async (messageId: string): Promise<string | null> => {
    try {
      return await this.#pending.takeBack(messageId);
    } catch (error) {
      this.#store.fail(chatError(error), async () => void (await this.takeBack(messageId)));
      return null;
    }
  };

  /** Send one of the waiting messages that had failed. */
  readonly sendAgain = (messageId: string): Promise<void> => this.#pending.again(messageId);

  /** Stop the reply on its way, and keep what was said. */
  readonly stopStream = async (): Promise<void> => {
    const turn = this.#store.turn;
    if (!turn) return;
    try {
      await stop(this.#client, this.#store, turn, this.#reply?.accepted);
    } catch (error) {
      this.#store.fail(chatError(error), this.stopStream);
    }
  };

  /** Ask again for a reply, the last one if none is named. */
  readonly regenerate = async (messageId?: string): Promise<void> => {
    if (this.#store.turn) await this.stopStream();
    const { messages } = this.#store;
    const chosen = messages.findLast(({ id, role }) => (messageId ? id === messageId : role === 'assistant'));
    const asked = chosen?.role === 'user' ? chosen : chosen && question(messages, chosen);
    if (asked) await this.#askInPlaceOf(asked, asked.content, isUnsent(asked));
  };

  /**
   * Ask something else in place of a message, and of everything after it, which stays as a branch of its own.
   * Resolves with false where the server did not take it: then all is as it was.
   */
  readonly editMessage = async (messageId: string, text: string): Promise<boolean> => {
    if (!text.trim()) return false;
    if (this.#store.turn) await this.stopStream();
    const asked = this.#store.messages.find(({ id, role }) => id === messageId && role === 'user');
    return asked !== undefined && (await this.#askInPlaceOf(asked, text, true));
  };

  /**
   * Have a reply go on that was cut, the last one if none is named. Resolves with false where its model cannot:
   * then a message may ask it to.
   */
  readonly continueReply = async (messageId?: string): Promise<boolean> => {
    if (this.#store.turn) await this.stopStream();
    const reply = this.#store.messages.findLast(({ id, role }) => role === 'assistant' && id === (messageId ?? id));
    if (!reply?.generationId) return false;
    return this.#continuing.go(reply, reply.generationId);
  };

  /** Show another branch of the conversation: the turn of *generationId*, and what follows it. */
  readonly showBranch = async (generationId: string): Promise<void> => {
    try {
      await this.#client.showBranch(this.conversationId, generationId);
      this.#follower.announce();
      await this.#follower.look();
    } catch (error) {
      this.#store.fail(chatError(error), () => this.showBranch(generationId));
    }
  };

  /** Change how the conversation is answered from now on. One that is not there yet begins with it. */
  readonly changeSettings = async (settings: ChatSettings): Promise<void> => {
    this.#store.settings = settings;
    this.#store.publish();
    if (!this.#follower.exists) return;
    try {
      await this.#client.configure(this.conversationId, settings);
      this.#follower.announce();
    } catch (error) {
      this.#store.fail(chatError(error), () => this.changeSettings(settings));
    }
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

  /** What the conversation itself says goes first. */
  get #model(): string | undefined {
    return this.#store.settings.model === undefined ? this.#options.model : undefined;
  }

  get #newSettings(): ChatSettings | undefined {
    return this.#follower.exists || sameSettings(this.#store.settings, NONE) ? undefined : this.#store.settings;
  }

  async #askAnew(generationId: string): Promise<void> {
    const asked = this.#store.messages.find((one) => one.role === 'user' && one.generationId === generationId);
    if (asked) await this.#askInPlaceOf(asked, asked.content, false);
  }

  async #askInPlaceOf(asked: ChatMessage, text: string, isWritten: boolean): Promise<boolean> {
    const kept = this.#store.messages.slice(0, this.#store.messages.indexOf(asked));
    const entry = this.#pending.entry(text, { model: this.#model }, asked.generationId);
    if (isUnsent(asked)) await this.#pending.done(asked.id);
    return this.#ask({ entry, kept, isWritten });
  }

  /** Ask what was kept from before, where it belongs. */
  async #askKept(entry: OutboxEntry): Promise<void> {
    const others = this.#store.messages.filter(({ id }) => id !== entry.id);
    const replaced = others.findIndex(({ role, generationId }) => role === 'user' && generationId === entry.replaces);
    const kept = entry.replaces !== undefined && replaced >= 0 ? others.slice(0, replaced) : others;
    await this.#ask({ entry, kept, isWritten: true });
  }

  /** Whether the server took it. */
  async #ask(asking: Question): Promise<boolean> {
    const { entry, kept, isWritten } = asking;
    const before = this.#store.messages;
    const turn = new Turn(null);
    const { id, text: content, createdAt } = entry;
    this.#store.messages = [...kept, { id, role: 'user', content, createdAt, state: 'sending' }];
    this.#store.forgive();
    this.#store.begin(turn);
    if (isWritten) {
      await this.#pending.begin(entry);
      this.#named();
    }
    const reply = this.#client.start(request(entry), this.#streamOptions(turn, id));
    const accepted = reply.accepted.then((generationId) => this.#accepted(turn, id, generationId)).catch(() => {});
    await this.#read(turn, reply);
    await accepted;
    if (turn.generationId === null) await this.#refused(turn, asking, before);
    else this.#finish(turn);
    return turn.generationId !== null;
  }

  /** The conversation has a message now, and with it a name. */
  #named(): void {
    if (this.#isNamed) return;
    this.#isNamed = true;
    this.#options.onConversation?.(this.conversationId);
  }

  async #accepted(turn: Turn, userId: string, generationId: string): Promise<void> {
    turn.accepted(generationId);
    // Of one that was sent before, and is known from there.
    const others = ({ id, generationId: known }: ChatMessage) => id === userId || known !== generationId;
    this.#store.messages = this.#store.messages.filter(others);
    this.#store.replace(userId, { state: 'done', generationId });
    this.#store.schedule();
    this.#follower.exists = true;
    this.#named();
    await this.#pending.done(userId);
    this.#follower.announce();
    void this.#pending.flush();
  }

  /** The server never took it: the user's text stays, and what it was to replace comes back. */
  async #refused(turn: Turn, asking: Question, before: readonly ChatMessage[]): Promise<void> {
    const { entry, isWritten } = asking;
    if (this.#store.turn !== turn) return;
    const { error } = turn;
    const isEdit = entry.replaces !== undefined;
    const isDropped = this.#pending.isDropped(entry.id);
    if (isEdit || isDropped) this.#store.messages = before.filter(({ id }) => id !== entry.id);
    else this.#store.replace(entry.id, error ? { state: 'failed', error } : { state: 'cancelled' });
    this.#store.leave();
    if (error?.code === 'busy' && entry.mayWait) {
      this.#store.messages = before;
      await this.#pending.add({ ...entry, idempotencyKey: uuid() });
      await this.#follower.look();
      return this.#pending.flush();
    }
    const again = async (): Promise<void> => {
      this.#store.messages = this.#store.messages.filter(({ id }) => id !== entry.id);
      await this.#ask({ ...asking, kept: isEdit ? asking.kept : this.#store.messages });
    };
    if (error && !isDropped) this.#store.fail(error, again);
    else this.#store.publish();
    if (isEdit || isDropped) await this.#pending.done(entry.id);
    else if (isWritten) await this.#pending.failed(entry, error?.retryable ? undefined : (error ?? STOPPED));
    if (error?.code === 'busy' || this.#pending.isElsewhere(entry.id)) void this.#follower.look();
    else if (!error?.retryable) void this.#pending.flush();
  }

  async #attach(generationId: string): Promise<void> {
    const shown = this.#store.messages.find((one) => one.role === 'assistant' && one.generationId === generationId);
    if (shown) this.#store.messages = this.#store.messages.filter((message) => message !== shown);
    const turn = new Turn(generationId, shown?.id);
    await this.#read(turn, this.#client.attach(generationId, this.#streamOptions(turn)));
    this.#finish(turn);
  }

  async #read(turn: Turn, reply: Reply): Promise<void> {
    this.#reply = reply;
    this.#store.begin(turn);
    await readToEnd(this.#client, turn, reply, () => this.#store.schedule());
  }

  #finish(turn: Turn): void {
    if (this.#store.turn !== turn) return;
    this.#store.keep(turn);
    const { error, generationId } = turn;
    if (error && generationId !== null) {
      const { isLost } = turn;
      if (!isLost) this.#follower.avoid(generationId);
      const isUnsaid = turn.continues !== null && !turn.isBegun;
      const again = isLost
        ? () => this.#attach(generationId)
        : isUnsaid
          ? async () => void (await this.continueReply())
          : () => this.#askAnew(generationId);
      this.#store.fail(error, again, { passes: isLost });
    }
    this.#store.publish();
    this.#follower.announce();
    void this.#follower.look();
  }

  #streamOptions(turn: Turn, userId?: string): StreamOptions {
    return {
      signal: turn.reading.signal,
      onConnection: (connection) => {
        if (this.#store.turn !== turn) return;
        this.#store.connection = connection;
        const isAway = connection === 'offline' || connection === 'reconnecting';
        if (userId && isAway && turn.generationId === null) this.#store.replace(userId, { state: 'unsent' });
        this.#store.schedule();
      },
    };
  }
}
