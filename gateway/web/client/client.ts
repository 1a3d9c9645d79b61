import type {
  ChatRequest,
  ContinueRequest,
  Conversation,
  ConversationDetail,
  ConversationPage,
  GenerationStatus,
  Heartbeat,
  ListedConversation,
  Model,
  NewShare,
  Receipt,
  Share,
} from './api.js';
import { Backoff } from './backoff.js';
import { HeadraceError, refusal } from './error.js';
import type { Connection } from './network.js';
import { type MessagePart, readPart, type UploadedBlob } from './parts.js';
import { Reply, type StreamOptions, type Timing, type UnknownFrame } from './reply.js';
import { Server, type ServerOptions } from './server.js';
import { type ChatSettings, wireSettings } from './settings.js';
import type { SpeechEvent, SpeechOptions } from './speech.js';
import { uuid } from './uuid.js';
import { Watch } from './watch.js';

export interface ClientOptions extends ServerOptions, Partial<Timing> {
  /** Told of every reply's connection. */
  onConnection?: ((connection: Connection) => void) | undefined;
  /** Told of every frame that this client does not understand, and skips; without it, the console is, once. */
  onUnknown?: ((frame: UnknownFrame) => void) | undefined;
  /** How long a call other than a stream goes on trying. */
  callMs?: number | undefined;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

const LATE_MS = 400;

export interface PageOptions {
  /** A text to look for. */
  query?: string | undefined;
  limit?: number | undefined;
  before?: string | undefined;
}

/** A conversation as it stands, or that it stands as it did. */
export type Seen = { changed: true; etag: string | null; detail: ConversationDetail } | { changed: false };

/** One Headrace server. Works in browsers and in Node. */
export class HeadraceClient {
  readonly #server: Server;
  readonly #timing: Timing;
  readonly #callMs: number;
  readonly #onConnection: ClientOptions['onConnection'];
  readonly #onUnknown: (frame: UnknownFrame) => void;

  constructor(options: ClientOptions = {}) {
    this.#server = new Server(options);
    this.#onConnection = options.onConnection;
    this.#onUnknown = options.onUnknown ?? toldOnce();
    this.#callMs = options.callMs ?? 10_000;
    this.#timing = {
      heartbeatMs: options.heartbeatMs ?? 15_000,
      giveUpMs: options.giveUpMs ?? 300_000,
      giveUpStartMs: options.giveUpStartMs ?? 20_000,
      retryMs: options.retryMs ?? 1_000,
    };
  }

  get apiKey(): string | undefined {
    return this.#server.apiKey;
  }

  /** Used from the next request on; kept in memory only. */
  set apiKey(key: string | undefined) {
    this.#server.apiKey = key;
  }

  /** Tells apart what was written for different servers, or under different keys, without saying the key. */
  get scope(): string {
    return this.#server.scope;
  }

  /**
   * The reply to a message. It is sent on iteration; however often that is retried, it counts once.
   * To stop reading leaves the generation running: `cancel` stops it.
   */
  start(request: ChatRequest, options: StreamOptions = {}): Reply {
    return new Reply(this.#server, { request }, this.#telling(options), this.#timing);
  }

  /**
   * A reply that was cut goes on from its own text, which its stream begins with. `model_cannot_continue` where
   * the model cannot: ask it to with a message.
   */
  continueReply(request: ContinueRequest, options: StreamOptions = {}): Reply {
    return new Reply(this.#server, { request }, this.#telling(options), this.#timing);
  }

  /** A reply that somebody has started, from the event after *after*, else from its beginning. */
  attach(generationId: string, options: StreamOptions & { after?: string | undefined } = {}): Reply {
    const subject = { generationId, after: options.after };
    return new Reply(this.#server, subject, this.#telling(options), this.#timing);
  }

  /** Stops a generation; the receipt says what came of it. */
  async cancel(generationId: string, options: CallOptions = {}): Promise<Receipt> {
    // All of the browser's connections may be taken.
    const late = setTimeout(() => this.#server.sharing?.makeRoom(), LATE_MS);
    try {
      return await this.#json('POST', `/api/chat/${encodeURIComponent(generationId)}/cancel`, options);
    } finally {
      this.#server.sharing?.hurry(generationId);
      clearTimeout(late);
    }
  }

  /** A reply, spoken sentence by sentence while it is written, or after. `cancel` of the reply silences it. */
  async *speech(generationId: string, options: SpeechOptions = {}): AsyncGenerator<SpeechEvent> {
    // Most never listen: it is loaded by those who do.
    const { speechOf } = await import('./speech.js');
    yield* speechOf(this.#server, generationId, options);
  }

  /** How a generation stands, with its text so far. */
  status(generationId: string, options: CallOptions = {}): Promise<GenerationStatus> {
    return this.#json('GET', `/api/chat/${encodeURIComponent(generationId)}`, options);
  }

  /** The caller's conversations, the last used first; of more than *limit* see `conversationPage`. */
  async conversations(options: CallOptions & { query?: string; limit?: number } = {}): Promise<ListedConversation[]> {
    return (await this.conversationPage(options)).conversations;
  }

  /** A page of them; *before* is the `next` of the page before it. */
  conversationPage(options: CallOptions & PageOptions = {}): Promise<ConversationPage> {
    const asked = new URLSearchParams();
    if (options.query) asked.set('q', options.query);
    if (options.limit !== undefined) asked.set('limit', String(options.limit));
    if (options.before !== undefined) asked.set('before', options.before);
    return this.#json('GET', `/api/conversations${asked.size ? `?${asked}` : ''}`, options);
  }

  /** A conversation with its messages; with the *etag* of last time, only if it has changed since. */
  async conversation(
    id: string,
    options: CallOptions & { etag?: string | null; branches?: boolean } = {},
  ): Promise<Seen> {
    const headers: Record<string, string> = options.etag ? { 'If-None-Match': options.etag } : {};
    const path = `${conversationPath(id)}${options.branches ? '?branches=true' : ''}`;
    const { response, text } = await this.#call('GET', path, options, { headers });
    if (response.status === 304) return { changed: false };
    return { changed: true, etag: response.headers.get('ETag'), detail: parse(text) };
  }

  rename(id: string, title: string, options: CallOptions = {}): Promise<Conversation> {
    return this.#json('PATCH', conversationPath(id), options, { title });
  }

  /** Changes how a conversation is answered: all that *settings* leave out is as the model has it. */
  configure(id: string, settings: ChatSettings, options: CallOptions = {}): Promise<Conversation> {
    return this.#json('PATCH', conversationPath(id), options, { settings: wireSettings(settings) });
  }

  /** Deletes a conversation, and stops what answers in it. */
  remove(id: string, options: CallOptions = {}): Promise<void> {
    return this.#gone(conversationPath(id), options);
  }

  async #gone(path: string, options: CallOptions): Promise<void> {
    try {
      await this.#call('DELETE', path, options);
    } catch (error) {
      // Also what a repeated request gets whose first answer was lost.
      if (!(error instanceof HeadraceError && error.status === 404)) throw error;
    }
  }

  /** A conversation as a file: its name, and what is in it. */
  async exportConversation(
    id: string,
    format: 'json' | 'markdown',
    options: CallOptions = {},
  ): Promise<{ name: string; text: string }> {
    const { response, text } = await this.#call('GET', `${conversationPath(id)}/export?format=${format}`, options);
    const named = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get('Content-Disposition') ?? '');
    return { name: decodeURIComponent(named?.[1] ?? `conversation.${format === 'json' ? 'json' : 'md'}`), text };
  }

  /** Makes a conversation of an exported JSON; gives its id. */
  async importConversation(archive: unknown, options: CallOptions = {}): Promise<string> {
    // Under a name of its own it can be sent again safely, until one is answered.
    const id = `conv_${uuid().replaceAll('-', '')}`;
    try {
      await this.#call('POST', `/api/conversations/import?conversation_id=${id}`, options, { body: archive });
    } catch (error) {
      if (!(error instanceof HeadraceError && error.code === 'taken')) throw error;
    }
    return id;
  }

  /** A copy of a conversation as it stands; each goes its own way. */
  fork(id: string, options: CallOptions = {}): Promise<Conversation> {
    return this.#json('POST', `${conversationPath(id)}/fork`, options);
  }

  /** Brings a conversation back that was deleted a moment ago. */
  restore(id: string, options: CallOptions = {}): Promise<Conversation> {
    return this.#json('POST', `${conversationPath(id)}/restore`, options);
  }

  /** Shows the branch that begins with the turn of *generationId*, in place of the one that is shown. */
  showBranch(id: string, generationId: string, options: CallOptions = {}): Promise<Conversation> {
    return this.#json('POST', `${conversationPath(id)}/branch`, options, { generation_id: generationId });
  }

  /** Keeps a picture (PNG, JPEG, GIF, WebP) or a text (UTF-8), for an hour if no message has it. */
  async upload(file: Blob, options: CallOptions & { name?: string } = {}): Promise<MessagePart> {
    const { text } = await this.#call('POST', '/api/blobs', options, { file });
    const { content_type, ...stored } = parse<UploadedBlob>(text);
    const type = content_type.startsWith('image/') ? 'image' : 'file';
    return readPart({ ...stored, content_type, type, name: options.name ?? '' }, 0);
  }

  /** The bytes that a message's part names. */
  async blob(name: string, options: CallOptions = {}): Promise<Blob> {
    const signal = options.signal ?? new AbortController().signal;
    const response = await this.#server.request('GET', `/api/blobs/${encodeURIComponent(name)}`, { signal });
    if (response.status >= 400) throw await refusal(response);
    return response.blob();
  }

  /** A read-only link to a conversation, for a week if nothing else is said. */
  share(id: string, options: CallOptions & { expiresS?: number } = {}): Promise<NewShare> {
    return this.#json('POST', `${conversationPath(id)}/share`, options, { expires_s: options.expiresS });
  }

  /** The links of a conversation that have not ended. */
  async shares(id: string, options: CallOptions = {}): Promise<Share[]> {
    return (await this.#json<{ shares: Share[] }>('GET', `${conversationPath(id)}/share`, options)).shares;
  }

  /** Ends a link, also for those who read by it just now. */
  async revokeShare(id: string, shareId: string, options: CallOptions = {}): Promise<void> {
    await this.#gone(`${conversationPath(id)}/share/${encodeURIComponent(shareId)}`, options);
  }

  /** A sign of life, and the server's limits. */
  heartbeat(options: CallOptions = {}): Promise<Heartbeat> {
    return this.#json('GET', '/api/heartbeat', options);
  }

  async models(options: CallOptions = {}): Promise<Model[]> {
    const answer = await this.#json<{ data: Model[] }>('GET', '/v1/models', options);
    return answer.data;
  }

  async #json<T>(method: string, path: string, options: CallOptions, body?: unknown): Promise<T> {
    const { text } = await this.#call(method, path, options, { body });
    return parse(text);
  }

  /** All calls here can be repeated safely, and are until one is answered. */
  async #call(
    method: string,
    path: string,
    options: CallOptions,
    sent: { body?: unknown; file?: Blob; headers?: Record<string, string> } = {},
  ): Promise<{ response: Response; text: string }> {
    const owner = options.signal ?? new AbortController().signal;
    const backoff = new Backoff(this.#timing.retryMs / 4, this.#callMs);
    while (true) {
      const began = Date.now();
      const watch = new Watch(this.#callMs, owner);
      try {
        return await watch.guard(this.#server.answer(method, path, { ...sent, signal: watch.signal }));
      } catch (error) {
        owner.throwIfAborted();
        if (!(error instanceof HeadraceError)) throw error;
        await backoff.wait(error, Date.now() - began, owner);
      } finally {
        watch.close();
      }
    }
  }

  #telling(options: StreamOptions): StreamOptions {
    return {
      signal: options.signal,
      onConnection: (connection) => {
        options.onConnection?.(connection);
        this.#onConnection?.(connection);
      },
      onUnknown: options.onUnknown ?? this.#onUnknown,
    };
  }
}

function conversationPath(id: string): string {
  return `/api/conversations/${encodeURIComponent(id)}`;
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new HeadraceError(
      'The server sent an answer that is not JSON.',
      { code: 'invalid_answer', retryable: false },
      { cause },
    );
  }
}

function toldOnce(): (frame: UnknownFrame) => void {
  let isTold = false;
  return ({ data }) => {
    if (!isTold)
      console.debug('Headrace: a frame was skipped that this client does not understand:', data.slice(0, 200));
    isTold = true;
  };
}
