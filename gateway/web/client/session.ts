import type { NewShare, Share } from './api.js';
import { Asking } from './asking.js';
import { HeadraceClient } from './client.js';
import { Continuing } from './continuing.js';
import { Follower } from './follower.js';
import { type ChatSnapshot, chatError, type SendOptions } from './messages.js';
import type { SessionOptions } from './options.js';
import { outbox } from './outbox.js';
import type { MessagePart } from './parts.js';
import { Pending } from './pending.js';
import { readToEnd } from './reading.js';
import type { Reply, StreamOptions } from './reply.js';
import { type ChatSettings, NONE, sameSettings } from './settings.js';
import { stop } from './stopping.js';
import { Store } from './store.js';
import { isUnsent, question } from './transcript.js';
import { Turn } from './turn.js';
import { uuid } from './uuid.js';

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
  readonly #asking: Asking;
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
      ask: (entry) => this.#asking.kept(entry),
      look: () => this.#follower.look(),
      announce: () => this.#follower.announce(),
    });
    const reader = {
      read: (turn: Turn, reply: Reply) => this.#read(turn, reply),
      finish: (turn: Turn) => this.#finish(turn),
      options: (turn: Turn, userId?: string) => this.#streamOptions(turn, userId),
      look: () => this.#follower.look(),
      named: () => this.#named(),
    };
    this.#asking = new Asking(this.#client, this.#store, this.#pending, this.#follower, reader);
    this.#continuing = new Continuing(this.#client, this.#store, reader);
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
    if (!text.trim() && !options.parts?.length) return;
    const { model = this.#model, ...more } = options;
    const parts = more.parts?.map((part) => ({ ...part, at: text.length }));
    const entry = this.#pending.entry(text, { model, settings: this.#newSettings, ...more, parts });
    if (entry.mayWait && (this.#store.turn || this.#pending.isFilled)) {
      await this.#pending.add(entry);
      return this.#pending.flush();
    }
    if (this.#store.turn) await this.stopStream();
    await this.#asking.ask({ entry, kept: this.#store.messages, isWritten: true });
  };

  /** Keep a picture or a text file for a message of this conversation: give `sendMessage` what this gives. Throws. */
  readonly upload = (file: Blob, name = ''): Promise<MessagePart> => this.#client.upload(file, { name });

  /** The bytes of a message's part. Throws. */
  readonly readBlob = (blob: string): Promise<Blob> => this.#client.blob(blob);

  /** A read-only link to the conversation, for a week if nothing else is said. Throws. */
  readonly share = (expiresS?: number): Promise<NewShare> =>
    this.#client.share(this.conversationId, expiresS === undefined ? {} : { expiresS });

  /** Its links that have not ended. Throws. */
  readonly shares = (): Promise<Share[]> => this.#client.shares(this.conversationId);

  /** End a link. Throws. */
  readonly revokeShare = (shareId: string): Promise<void> => this.#client.revokeShare(this.conversationId, shareId);

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
    if (asked) await this.#asking.inPlaceOf(asked, asked.content, this.#model, isUnsent(asked));
  };

  /**
   * Ask something else in place of a message, and of everything after it, which stays as a branch of its own.
   * Resolves with false where the server did not take it: then all is as it was.
   */
  readonly editMessage = async (messageId: string, text: string): Promise<boolean> => {
    if (this.#store.turn) await this.stopStream();
    const asked = this.#store.messages.find(({ id, role }) => id === messageId && role === 'user');
    if (!text.trim() && !asked?.parts?.length) return false;
    return asked !== undefined && (await this.#asking.inPlaceOf(asked, text, this.#model, true));
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
    if (asked) await this.#asking.inPlaceOf(asked, asked.content, this.#model, false);
  }

  #named(): void {
    if (this.#isNamed) return;
    this.#isNamed = true;
    this.#options.onConversation?.(this.conversationId);
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
    // Or a stop would take it for that of the next turn, which has none while its message is being kept.
    if (this.#reply === reply) this.#reply = null;
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
