import type { ConversationDetail } from './api.js';
import type { HeadraceClient } from './client.js';
import { HeadraceError } from './error.js';
import { type ChatError, chatError } from './messages.js';
import { onLoss } from './network.js';
import { Presence } from './presence.js';
import { readSettings, sameSettings } from './settings.js';
import type { Store } from './store.js';
import { isUnsent, merge } from './transcript.js';

/** Keeps a store as the server has it, whoever writes in the conversation, while no reply is being read here. */
export class Follower {
  readonly #client: HeadraceClient;
  readonly #store: Store;
  readonly #attach: (generationId: string) => Promise<void>;
  readonly #onSeen: (active: string | null) => void;
  readonly #presence: Presence;
  /** Nobody else can know of it before its first message. */
  readonly #isNew: boolean;
  #exists = false;
  #etag: string | null = null;
  #active: string | null = null;
  #unreadable: string | null = null;
  #open: AbortController | null = null;
  #forget: () => void = () => {};
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  /** The server does not let us see it: nothing changes that but the user. */
  #refused = false;

  /** *attach* reads a generation that somebody else has started; *onSeen* is told what answers right now. */
  constructor(
    client: HeadraceClient,
    store: Store,
    everyMs: number,
    attach: (generationId: string) => Promise<void>,
    onSeen: (active: string | null) => void,
  ) {
    this.#client = client;
    this.#store = store;
    this.#attach = attach;
    this.#onSeen = onSeen;
    this.#isNew = store.loaded;
    this.#presence = new Presence(store.conversationId, everyMs, (why) => {
      const isDue = this.exists || !(store.loaded || this.#refused);
      if (why === 'event' && store.turn) return this.#onSeen(store.turn.generationId);
      const isAsked = why === 'event' && (this.exists || !this.#isNew);
      if (isAsked || (isDue && this.#looking === null)) void this.look();
    });
  }

  /** Whether the server has the conversation. */
  get exists(): boolean {
    return this.#exists;
  }

  set exists(exists: boolean) {
    this.#exists = exists;
    this.#store.isMissing = !exists;
    this.#store.wasThere ||= exists;
  }

  open(): void {
    if (this.#open) return;
    this.#open = new AbortController();
    this.#presence.open();
    this.#forget = onLoss(() => this.#store.publish());
    if (this.exists || !this.#store.loaded) void this.look();
  }

  close(): void {
    this.#open?.abort();
    this.#open = null;
    this.#presence.close();
    this.#forget();
    // The stream of an open reply is read from its beginning next time.
    this.#etag = null;
  }

  /** Tell this browser's other pages. */
  announce(): void {
    this.#presence.announce();
  }

  /** Do not follow this generation: to read it fails, and would again. */
  avoid(generationId: string | null): void {
    this.#unreadable = generationId;
  }

  /** See how the conversation stands, and go on with what answers in it. */
  look(): Promise<void> {
    if (!this.#open || this.#store.turn) return Promise.resolve();
    this.#lookAgain = this.#looking !== null;
    this.#looking ??= this.#fetch(this.#open.signal).finally(() => {
      this.#looking = null;
      if (this.#lookAgain) void this.look();
    });
    return this.#looking;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const before = this.#store.messages;
    try {
      const seen = await this.#client.conversation(this.#store.conversationId, { etag: this.#etag, signal });
      // An action of the user has overtaken it.
      if (this.#store.turn || this.#store.messages !== before) return;
      this.exists = this.#store.loaded = true;
      this.#store.heard();
      if (seen.changed) this.#take(seen.detail, seen.etag);
      if (this.#active && this.#active !== this.#unreadable) void this.#attach(this.#active);
      this.#onSeen(this.#active);
      if (this.#store.turn) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof HeadraceError && error.status === 404) this.#missing();
      else if (!this.#store.loaded) this.#fail(chatError(error));
    }
    this.#store.publish();
  }

  #fail(error: ChatError): void {
    this.#refused = !error.retryable;
    this.#store.fail(error, () => this.look(), { passes: true });
  }

  #take({ conversation, messages, branchings, spent }: ConversationDetail, etag: string | null): void {
    this.#etag = etag;
    this.#active = conversation.active;
    this.#store.title = conversation.title || null;
    this.#store.spent = spent ?? null;
    const settings = readSettings(conversation.settings);
    if (!sameSettings(settings, this.#store.settings)) this.#store.settings = settings;
    this.#store.messages = merge(this.#store.messages, messages, branchings);
  }

  /** Not there yet, or not any more: nothing to ask for until somebody says so. */
  #missing(): void {
    if (this.exists) {
      this.#store.messages = this.#store.messages.filter(isUnsent);
    }
    this.exists = false;
    this.#store.loaded = true;
    this.#etag = this.#active = null;
    this.#onSeen(null);
  }
}
