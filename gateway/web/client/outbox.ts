import type { ChatError } from './messages.js';
import type { MessagePart } from './parts.js';
import type { ChatSettings } from './settings.js';

/** A message that its conversation on the server does not have yet. */
export interface OutboxEntry {
  /** Of the message that is shown. */
  id: string;
  /** However often it is sent, from whichever page, it counts once. */
  idempotencyKey: string;
  /** The server and, as a hash, the key that it was written under. */
  scope: string;
  conversationId: string;
  text: string;
  /** Pictures and files after the text. */
  parts?: readonly MessagePart[] | undefined;
  createdAt: number;
  model?: string | undefined;
  maxTokens?: number | undefined;
  /** How its conversation is answered, which it begins. */
  settings?: ChatSettings | undefined;
  /** The turn it takes the place of. */
  replaces?: string | undefined;
  /** It may wait until the conversation is free. */
  mayWait?: boolean | undefined;
  onBusy?: 'queue' | undefined;
  /** When it was first sent: the server may have it, and knows its key for a day. */
  triedAt?: number | undefined;
  /** The server has it, and it waits for its turn. */
  generationId?: string | undefined;
  /** Why it is not sent by itself any more. */
  error?: ChatError | undefined;
}

/** Where unsent messages outlive their page. Never throws: what cannot be stored is kept as long as the page. */
export interface Outbox {
  /** Oldest first. */
  all(): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  delete(id: string): Promise<void>;
}

export class MemoryOutbox implements Outbox {
  readonly #entries = new Map<string, OutboxEntry>();

  async all(): Promise<OutboxEntry[]> {
    return [...this.#entries.values()].sort((a, b) => a.createdAt - b.createdAt);
  }

  async put(entry: OutboxEntry): Promise<void> {
    this.#entries.set(entry.id, { ...entry });
  }

  async delete(id: string): Promise<void> {
    this.#entries.delete(id);
  }
}

const NAME = 'headrace';
const STORE = 'outbox';

/** In the browser's own database, which all its pages share. */
class StoredOutbox implements Outbox {
  /** What the database would not take. */
  readonly #memory = new MemoryOutbox();
  #database: Promise<IDBDatabase> | null = null;

  async all(): Promise<OutboxEntry[]> {
    const kept = await this.#memory.all();
    const stored = await this.#ask('readonly', (store) => store.getAll() as IDBRequest<OutboxEntry[]>);
    return [...(stored ?? []), ...kept].sort((a, b) => a.createdAt - b.createdAt);
  }

  async put(entry: OutboxEntry): Promise<void> {
    const key = await this.#ask('readwrite', (store) => store.put(entry));
    if (key === null) await this.#memory.put(entry);
  }

  async delete(id: string): Promise<void> {
    await this.#memory.delete(id);
    await this.#ask('readwrite', (store) => store.delete(id));
  }

  /** What the database answers once it is written; null where it cannot be used. */
  async #ask<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
    try {
      const database = await this.#open();
      return await new Promise<T>((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const request = work(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
      });
    } catch {
      this.#database = null;
      return null;
    }
  }

  #open(): Promise<IDBDatabase> {
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
      request.onerror = request.onblocked = () => reject(request.error);
      request.onsuccess = () => {
        request.result.onversionchange = request.result.onclose = () => {
          request.result.close();
          this.#database = null;
        };
        resolve(request.result);
      };
    });
    return this.#database;
  }
}

let shared: Outbox | null = null;

/** This browser's; outside of one, this process's. */
export function outbox(): Outbox {
  shared ??= typeof indexedDB === 'undefined' ? new MemoryOutbox() : new StoredOutbox();
  return shared;
}
