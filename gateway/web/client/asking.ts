import type { HeadraceClient } from './client.js';
import type { Reader } from './continuing.js';
import type { Follower } from './follower.js';
import type { ChatError, ChatMessage } from './messages.js';
import type { OutboxEntry } from './outbox.js';
import type { MessagePart } from './parts.js';
import { type Pending, request } from './pending.js';
import type { Store } from './store.js';
import { isUnsent } from './transcript.js';
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

export interface AskingReader extends Omit<Reader, 'options'> {
  options(turn: Turn, userId?: string): ReturnType<Reader['options']>;
  /** The conversation has a message now, and with it a name. */
  named(): void;
}

const STOPPED: ChatError = { code: 'stopped', message: 'This was stopped before it was sent.', retryable: true };

/** Asks what a user has written, and reads the replies: each message is shown at once, and in one place only. */
export class Asking {
  constructor(
    private readonly client: HeadraceClient,
    private readonly store: Store,
    private readonly pending: Pending,
    private readonly follower: Follower,
    private readonly reader: AskingReader,
  ) {}

  /** Whether the server took it. */
  async ask(asking: Question): Promise<boolean> {
    const { store, reader } = this;
    const { entry, kept, isWritten } = asking;
    const before = store.messages;
    const turn = new Turn(null);
    const { id, text: content, parts, createdAt } = entry;
    const asked = { id, role: 'user', content, createdAt, state: 'sending', ...(parts?.length && { parts }) } as const;
    store.messages = [...kept, asked];
    store.forgive();
    store.begin(turn);
    if (isWritten) {
      await this.pending.begin(entry);
      reader.named();
    }
    const reply = this.client.start(request(entry), reader.options(turn, id));
    const accepted = reply.accepted.then((generationId) => this.#accepted(turn, id, generationId)).catch(() => {});
    await reader.read(turn, reply);
    await accepted;
    if (turn.generationId === null) await this.#refused(turn, asking, before);
    else reader.finish(turn);
    return turn.generationId !== null;
  }

  /** Ask *text* in place of a message, and of everything after it. */
  async inPlaceOf(asked: ChatMessage, text: string, model: string | undefined, isWritten: boolean): Promise<boolean> {
    const kept = this.store.messages.slice(0, this.store.messages.indexOf(asked));
    const entry = this.pending.entry(text, { model, parts: partsAfter(asked, text) }, asked.generationId);
    if (isUnsent(asked)) await this.pending.done(asked.id);
    return this.ask({ entry, kept, isWritten });
  }

  /** Ask what was kept from before, where it belongs. */
  async kept(entry: OutboxEntry): Promise<void> {
    const others = this.store.messages.filter(({ id }) => id !== entry.id);
    const replaced = others.findIndex(({ role, generationId }) => role === 'user' && generationId === entry.replaces);
    const kept = entry.replaces !== undefined && replaced >= 0 ? others.slice(0, replaced) : others;
    await this.ask({ entry, kept, isWritten: true });
  }

  async #accepted(turn: Turn, userId: string, generationId: string): Promise<void> {
    const { store } = this;
    turn.accepted(generationId);
    // Of one that was sent before, and is known from there.
    const others = ({ id, generationId: known }: ChatMessage) => id === userId || known !== generationId;
    store.messages = store.messages.filter(others);
    store.replace(userId, { state: 'done', generationId });
    store.schedule();
    this.follower.exists = true;
    this.reader.named();
    await this.pending.done(userId);
    this.follower.announce();
    void this.pending.flush();
  }

  /** The server never took it: the user's text stays, and what it was to replace comes back. */
  async #refused(turn: Turn, asking: Question, before: readonly ChatMessage[]): Promise<void> {
    const { store, pending } = this;
    const { entry, isWritten } = asking;
    if (store.turn !== turn) return;
    const { error } = turn;
    const isEdit = entry.replaces !== undefined;
    const isDropped = pending.isDropped(entry.id);
    if (isEdit || isDropped) store.messages = before.filter(({ id }) => id !== entry.id);
    else store.replace(entry.id, error ? { state: 'failed', error } : { state: 'cancelled' });
    store.leave();
    if (error?.code === 'busy' && entry.mayWait) {
      store.messages = before;
      await pending.add({ ...entry, idempotencyKey: uuid() });
      await this.follower.look();
      return pending.flush();
    }
    const again = async (): Promise<void> => {
      store.messages = store.messages.filter(({ id }) => id !== entry.id);
      await this.ask({ ...asking, kept: isEdit ? asking.kept : store.messages });
    };
    if (error && !isDropped) store.fail(error, again);
    else store.publish();
    if (isEdit || isDropped) await pending.done(entry.id);
    else if (isWritten) await pending.failed(entry, error?.retryable ? undefined : (error ?? STOPPED));
    if (error?.code === 'busy' || pending.isElsewhere(entry.id)) void this.follower.look();
    else if (!error?.retryable) void pending.flush();
  }
}

/** What stood among the words of *asked* stands after those that take their place. */
function partsAfter({ parts }: ChatMessage, text: string): readonly MessagePart[] | undefined {
  return parts?.map((part) => ({ ...part, at: text.length }));
}
