import type { HeadraceClient } from './client.js';
import { HeadraceError } from './error.js';
import { type ChatError, type ChatMessage, chatError, type SendOptions } from './messages.js';
import { onReturn } from './network.js';
import type { Outbox, OutboxEntry } from './outbox.js';
import type { Store } from './store.js';
import { uuid } from './uuid.js';

const AGAIN_MS = 5_000;
/** The server forgets a key after a day: what was sent earlier might count twice. */
const KEY_LIFE_MS = 20 * 3600_000;

const STALE: ChatError = {
  code: 'stale',
  message: 'This was sent long ago and never answered; it may have arrived.',
  retryable: true,
};
const OTHER_KEY: ChatError = { code: 'unauthorized', message: 'This was written under another key.', retryable: true };

export interface Sender {
  /** Show it as asked, and send it. */
  ask(entry: OutboxEntry): Promise<void>;
  /** See how the conversation stands. */
  look(): Promise<void>;
  announce(): void;
}

/**
 * A conversation's messages that its server does not have yet, or keeps until their turn comes.
 *
 * They outlive the page, are sent in order, one after the other, by any page that shows the conversation,
 * and count once, for each keeps its key. Each can be taken back until its turn has begun.
 */
export class Pending {
  #entries: readonly OutboxEntry[] = [];
  /** Is being asked, and shown among the messages. */
  #asked: OutboxEntry | null = null;
  readonly #dropped = new Set<string>();
  readonly #elsewhere = new Set<string>();
  #flushing = false;
  #isOpen = false;
  #leave = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: () => void = () => {};

  constructor(
    private readonly client: HeadraceClient,
    private readonly store: Store,
    private readonly outbox: Outbox,
    private readonly sender: Sender,
  ) {}

  open(): void {
    this.#isOpen = true;
    this.#leave = new AbortController();
    this.#forget();
    this.#forget = onReturn(() => void this.flush());
    void this.restore().then(() => this.flush());
  }

  close(): void {
    this.#isOpen = false;
    this.#asked = null;
    this.#leave.abort();
    this.#forget();
    clearTimeout(this.#timer);
  }

  /** Whether something is to be sent before what is written now. */
  get isFilled(): boolean {
    return this.#entries.some(({ error }) => !error);
  }

  entry(text: string, options: SendOptions, replaces?: string): OutboxEntry {
    const { onBusy, ...more } = options;
    const { scope } = this.client;
    const ids = { id: uuid(), idempotencyKey: uuid(), scope, conversationId: this.store.conversationId };
    return { ...ids, text, createdAt: Date.now(), ...more, replaces, mayWait: onBusy === 'queue' };
  }

  /** *entry* waits until after the reply on its way. */
  async add(entry: OutboxEntry): Promise<void> {
    if (this.#asked?.id === entry.id) this.#asked = null;
    const waiting: OutboxEntry = { ...entry, onBusy: 'queue' };
    this.#set([...this.#entries, waiting]);
    await this.outbox.put(waiting);
  }

  /** *entry* is being asked: it is kept until the server has it. */
  async begin(entry: OutboxEntry): Promise<void> {
    this.#asked = entry;
    this.#set(this.#entries.filter(({ id }) => id !== entry.id));
    await this.outbox.put({ ...entry, triedAt: entry.triedAt ?? Date.now() });
  }

  /** The server has it, or nobody wants it any more. */
  async done(id: string): Promise<void> {
    if (this.#asked?.id === id) this.#asked = null;
    this.#set(this.#entries.filter((entry) => entry.id !== id));
    await this.outbox.delete(id);
  }

  /** It was not sent: with an *error* it is not tried again by itself. */
  async failed(entry: OutboxEntry, error?: ChatError): Promise<void> {
    if (this.#asked?.id === entry.id) this.#asked = null;
    if (this.#dropped.has(entry.id)) return this.done(entry.id);
    const kept = { ...entry, error, triedAt: entry.triedAt ?? Date.now() };
    this.#set([...this.#entries.filter(({ id }) => id !== entry.id), kept]);
    await this.outbox.put(kept);
    if (!error) this.#later();
  }

  /** Whether the message *id* was taken back while it was being asked. */
  isDropped(id: string): boolean {
    return this.#dropped.has(id);
  }

  /** Whether another page has taken it back, or sent it: then it is in the conversation. */
  isElsewhere(id: string): boolean {
    return this.#elsewhere.has(id);
  }

  /** Its text, if it could be taken back; null where its turn has come. */
  async takeBack(id: string): Promise<string | null> {
    const entry = this.#entries.find((each) => each.id === id) ?? (this.#asked?.id === id ? this.#asked : null);
    if (!entry) return null;
    if (entry.generationId !== undefined) {
      const receipt = await this.client.cancel(entry.generationId);
      if (receipt.status === 'already_ended' && receipt.state !== 'cancelled') return null;
    }
    this.#dropped.add(id);
    if (this.#asked === entry) this.store.turn?.reading.abort();
    else this.store.messages = this.store.messages.filter((message) => message.id !== id);
    await this.done(id);
    this.sender.announce();
    return entry.text;
  }

  /** Try one again that had failed. */
  async again(id: string): Promise<void> {
    const entry = this.#entries.find((each) => each.id === id);
    if (!entry) return;
    const isOld = entry.error?.code === STALE.code || entry.error?.code === OTHER_KEY.code;
    const key = isOld ? { idempotencyKey: uuid(), scope: this.client.scope, triedAt: undefined } : {};
    await this.#put({ ...entry, ...key, error: undefined, generationId: undefined });
    await this.flush();
  }

  /** What is stored, by whichever page: new ones join, and those that another page took back leave. */
  async restore(): Promise<void> {
    const known = new Set([...this.#entries.map(({ id }) => id), this.#asked?.id]);
    const all = await this.outbox.all();
    const stored = all.filter(
      ({ id, conversationId, scope }) =>
        conversationId === this.store.conversationId &&
        !this.#dropped.has(id) &&
        scope.split(' ')[0] === this.client.scope.split(' ')[0],
    );
    const ids = new Set(stored.map(({ id }) => id));
    const left = this.#entries.filter(({ id }) => !known.has(id) || ids.has(id));
    const now = new Set([...left.map(({ id }) => id), this.#asked?.id]);
    const arrived = stored.filter(({ id }) => !now.has(id)).map((entry) => this.#checked(entry));
    if (arrived.length || left.length < this.#entries.length) this.#set([...left, ...arrived]);
    const { turn } = this.store;
    const asked = this.#asked;
    if (asked && known.has(asked.id) && !ids.has(asked.id) && turn?.generationId === null) {
      this.#dropped.add(asked.id);
      this.#elsewhere.add(asked.id);
      turn.reading.abort();
    }
  }

  /** Those whose turn has come are messages like any other: *active* is being answered. */
  async seen(active: string | null): Promise<void> {
    const begun = new Set(this.store.messages.map(({ generationId }) => generationId));
    if (active) begun.add(active);
    for (const entry of this.#entries.filter(({ generationId }) => generationId && begun.has(generationId))) {
      await this.done(entry.id);
    }
    if (!active) for (const entry of this.#entries) if (entry.generationId && !entry.error) await this.#ask(entry);
    await this.flush();
  }

  /** Send what can be sent, in order. */
  async flush(): Promise<void> {
    if (this.#flushing || !this.#isOpen) return;
    this.#flushing = true;
    try {
      for (let next = this.#next(); next && this.#isOpen; next = this.#next()) {
        if (this.store.turn === null) {
          // It reads its reply to the end: what comes after it is sent once it is accepted.
          void this.sender.ask(next);
          return;
        }
        if (!(await this.#queue(next))) return;
      }
    } finally {
      this.#flushing = false;
    }
  }

  /** The first that waits to be sent; none while one is being sent. */
  #next(): OutboxEntry | undefined {
    if (this.store.turn?.generationId === null || !this.store.loaded) return undefined;
    return this.#entries.find(({ generationId, error }) => generationId === undefined && error === undefined);
  }

  /** Hand it over to the server, to wait there. False where that cannot be done now. */
  async #queue(waiting: OutboxEntry): Promise<boolean> {
    const entry = { ...waiting, triedAt: waiting.triedAt ?? Date.now() };
    await this.#put(entry);
    const leave = new AbortController();
    const signal = AbortSignal.any([leave.signal, this.#leave.signal]);
    const reply = this.client.start(request(entry), { signal });
    const reading = drain(reply);
    try {
      const generationId = await reply.accepted;
      if (this.#dropped.has(entry.id)) await this.client.cancel(generationId);
      else await this.#put({ ...entry, generationId });
      if (this.store.turn === null) void this.sender.look();
      this.sender.announce();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const failure = chatError(error);
      if (failure.code === 'busy' && entry.onBusy === undefined) {
        await this.#put({ ...entry, idempotencyKey: uuid(), onBusy: 'queue' });
        return true;
      }
      await this.failed(entry, failure.retryable ? undefined : failure);
      return !failure.retryable;
    } finally {
      leave.abort();
      await reading;
    }
  }

  /** Its turn should have come, and nothing was seen of it. */
  async #ask(entry: OutboxEntry): Promise<void> {
    try {
      const { state, error } = await this.client.status(entry.generationId ?? '');
      if (state === 'cancelled' || state === 'done') await this.done(entry.id);
      if (state === 'failed') await this.#put({ ...entry, error: { ...OTHER, ...error } });
    } catch (failure) {
      if (failure instanceof HeadraceError && failure.status === 404) {
        await this.#put({ ...entry, error: chatError(failure) });
      }
    }
  }

  async #put(entry: OutboxEntry): Promise<void> {
    if (this.#dropped.has(entry.id)) return;
    this.#set(this.#entries.map((each) => (each.id === entry.id ? entry : each)));
    await this.outbox.put(entry);
  }

  #checked(entry: OutboxEntry): OutboxEntry {
    if (entry.error || entry.generationId) return entry;
    if (entry.scope !== this.client.scope) return { ...entry, error: OTHER_KEY };
    const isStale = entry.triedAt !== undefined && Date.now() - entry.triedAt > KEY_LIFE_MS;
    return isStale ? { ...entry, error: STALE } : entry;
  }

  #set(entries: readonly OutboxEntry[]): void {
    this.#entries = entries;
    const isShown = new Set(this.store.messages.map(({ id }) => id));
    this.store.waiting = entries.filter(({ id }) => !isShown.has(id)).map(shown);
    this.store.publish();
  }

  #later(): void {
    clearTimeout(this.#timer);
    if (this.#isOpen) this.#timer = setTimeout(() => void this.flush(), AGAIN_MS);
  }
}

const OTHER: ChatError = { code: 'failed', message: '', retryable: true };

/** How *entry* goes to the server. */
export function request({ text: message, ...entry }: OutboxEntry) {
  const { parts, conversationId, model, maxTokens, settings, replaces, onBusy, idempotencyKey } = entry;
  return { message, parts, conversationId, model, maxTokens, settings, replaces, onBusy, idempotencyKey };
}

function shown({ id, text, parts, createdAt, generationId, error }: OutboxEntry): ChatMessage {
  const state = error ? 'failed' : generationId ? 'queued' : 'unsent';
  const more = { ...(parts?.length && { parts }), ...(generationId && { generationId }), ...(error && { error }) };
  return { id, role: 'user', content: text, createdAt, state, ...more };
}

async function drain(reply: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of reply);
  } catch {
    // Its `accepted` tells.
  }
}
