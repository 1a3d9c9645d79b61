import type { ChatRequest, ContinueRequest } from './api.js';
import { Backoff } from './backoff.js';
import { HeadraceError, refusal } from './error.js';
import { isTerminal, parseEvent, type StreamEvent } from './events.js';
import { FrameReader } from './frames.js';
import { type Connection, isOffline, onLoss } from './network.js';
import { wireMessage } from './parts.js';
import { type Position, parsePosition, relation } from './position.js';
import type { Server } from './server.js';
import { wireSettings } from './settings.js';
import type { Share } from './sharing.js';
import { Sip } from './sip.js';
import { uuid } from './uuid.js';
import { Watch } from './watch.js';

export interface StreamOptions {
  /** Ends the reading; the generation goes on. */
  signal?: AbortSignal | undefined;
  onConnection?: ((connection: Connection) => void) | undefined;
  /** Told of every frame that this client does not understand, and skips. */
  onUnknown?: ((frame: UnknownFrame) => void) | undefined;
}

/** A frame of a type that came later than this client, or malformed. */
export interface UnknownFrame {
  data: string;
  position: string | null;
}

/** Times of a client, in ms. */
export interface Timing {
  /** The server's heartbeat, unless the server names its own; two and a half of silence are a dead connection. */
  heartbeatMs: number;
  /** Longest time without progress of a reply that the server has accepted … */
  giveUpMs: number;
  /** … and of one that it has not: then nothing is lost by saying so soon. */
  giveUpStartMs: number;
  /** The first delay before a reconnect, until the server names its own. */
  retryMs: number;
}

/** What to ask for: a new reply, or one that somebody has started. */
export type Subject = { request: ChatRequest | ContinueRequest } | { generationId: string; after?: string | undefined };

const ACCESS_ENDED = 'access_ended';

/**
 * One reply, iterated over once. It outlives its connections: when one breaks the next goes on after the
 * last event, so its reader gets every event once, in order. Ends after the terminal event.
 *
 * Throws `HeadraceError` when the server refuses, or makes no progress for too long.
 */
export class Reply implements AsyncIterable<StreamEvent> {
  /** Resolves with the generation's id once the server has accepted the request. */
  readonly accepted: Promise<string>;
  generationId: string | null = null;
  conversationId: string | null = null;
  /** The last event's place in the log. */
  position: string | null = null;
  readonly #server: Server;
  readonly #subject: Subject;
  readonly #options: StreamOptions;
  readonly #timing: Timing;
  readonly #key: string;
  readonly #backoff: Backoff;
  readonly #close = new AbortController();
  readonly #signal: AbortSignal;
  #heartbeatMs: number;
  #told: Connection = 'idle';
  #share: Share | null = null;
  /** What is new will come from another page. */
  #isCaughtUp = false;
  #last: Position | null = null;
  #accept!: (generationId: string) => void;
  #refuse!: (reason: unknown) => void;

  constructor(server: Server, subject: Subject, options: StreamOptions, timing: Timing) {
    this.#server = server;
    this.#subject = subject;
    this.#options = options;
    this.#timing = timing;
    this.#heartbeatMs = timing.heartbeatMs;
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#close.signal]) : this.#close.signal;
    this.#backoff = new Backoff(timing.retryMs, timing.giveUpStartMs);
    this.accepted = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.accepted.catch(() => {});
    this.#key = ('request' in subject && subject.request.idempotencyKey) || uuid();
    if ('generationId' in subject) {
      this.position = subject.after ?? null;
      this.#last = subject.after ? parsePosition(subject.after) : null;
      this.#known(subject.generationId);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void> {
    try {
      this.#tell('connecting');
      if (this.generationId !== null) this.#join();
      await this.#share?.settled;
      while (true) {
        const began = Date.now();
        let failure: HeadraceError;
        try {
          const isFed = this.#share !== null && this.#share.role !== 'lead' && this.#isCaughtUp;
          for await (const event of isFed ? this.#fed() : this.#connection()) {
            yield event;
            if (isTerminal(event)) return;
          }
          return;
        } catch (error) {
          this.#signal.throwIfAborted();
          if (!(error instanceof HeadraceError)) throw error;
          failure = error;
        }
        if (failure.code === 'turn') continue;
        this.#tell(isOffline() ? 'offline' : 'reconnecting');
        if (failure.code === 'moved') continue;
        const tookMs = Math.min(Date.now() - began, this.#silenceMs);
        await this.#backoff.wait(failure, tookMs, this.#signal);
        this.#tell('reconnecting');
      }
    } catch (error) {
      this.#refuse(error);
      throw error;
    } finally {
      this.#share?.close();
      this.#close.abort();
      this.#refuse(new HeadraceError('Nobody reads this reply any more.', { code: 'closed', retryable: false }));
      this.#tell('idle');
    }
  }

  /** What another page reads. Throws `turn` once the network is to be asked. */
  async *#fed(): AsyncGenerator<StreamEvent, void, void> {
    for (let frame = await this.#share?.next(this.#signal); frame; frame = await this.#share?.next(this.#signal)) {
      let event: StreamEvent | null;
      try {
        event = this.#take(frame.data, frame.id);
      } catch {
        break;
      }
      if (event) yield event;
    }
    this.#isCaughtUp = false;
    throw turn();
  }

  /**
   * What one connection brings that is new. Ends where nothing follows; throws when it broke, and `turn` where
   * it has caught up and another page reads the rest.
   */
  async *#connection(): AsyncGenerator<StreamEvent, void, void> {
    const watch = new Watch(this.#silenceMs, this.#signal);
    const sip = new Sip(() => this.#share?.role !== 'lead' && this.#handOver(watch));
    const forget = onLoss(() => this.#tell('offline'));
    try {
      const response = await watch.guard(this.#request(watch.signal));
      if (response.status >= 400) throw await watch.guard(refusal(response));
      this.#answered(response);
      watch.silenceMs = this.#silenceMs;
      if (response.status === 204 || response.body === null) return;
      this.#tell('open');
      if (this.#share) this.#share.onYield = () => this.#handOver(watch);
      // A heartbeat is progress: the server is there, and has nothing to say.
      const frames = new FrameReader(() => {
        this.#backoff.progressed();
        this.#server.sharing?.alive();
      });
      const body = response.body.getReader();
      while (true) {
        const { done, value } = await watch.guard(body.read());
        if (done) break;
        watch.alive();
        if (this.#share && this.#share.role !== 'lead') sip.heard();
        // The browser may be wrong, as it is about a server on this machine.
        if (this.#told === 'offline') this.#tell('open');
        const read = frames.feed(value);
        if (frames.retryMs !== null) this.#backoff.baseMs = frames.retryMs;
        for (const frame of read) {
          const event = this.#take(frame.data, frame.id || null);
          this.#share?.feed(frame);
          if (event) yield event;
        }
      }
    } finally {
      if (this.#share) this.#share.onYield = () => {};
      sip.close();
      forget();
      watch.close();
    }
    throw new HeadraceError('The connection ended before the reply did.', { code: 'cut', retryable: true });
  }

  #handOver(watch: Watch): void {
    this.#isCaughtUp = true;
    watch.cut('turn', 'Another page reads on.');
  }

  /** From now on others may read it for us, and we for them. */
  #join(): void {
    const isWatched = 'request' in this.#subject && this.#subject.request.onDisconnect === 'cancel';
    if (this.#share || isWatched || this.generationId === null) return;
    this.#share = this.#server.sharing?.join(this.generationId) ?? null;
    if (this.#share) this.#share.onConnection = (connection) => this.#isCaughtUp && this.#tell(connection);
  }

  #request(signal: AbortSignal): Promise<Response> {
    if (this.generationId === null && 'request' in this.#subject) {
      const headers = { 'Idempotency-Key': this.#key, Accept: 'text/event-stream' };
      return this.#server.request('POST', '/api/chat/stream', { body: wire(this.#subject.request), headers, signal });
    }
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.position !== null) headers['Last-Event-ID'] = this.position;
    return this.#server.request('GET', `/api/chat/${encodeURIComponent(this.generationId ?? '')}/stream`, {
      headers,
      signal,
    });
  }

  #answered(response: Response): void {
    this.conversationId = response.headers.get('X-Conversation-Id') ?? this.conversationId;
    const generationId = response.headers.get('X-Generation-Id');
    if (generationId !== null) this.#known(generationId);
    this.#join();
    this.#heartbeatMs = Number(response.headers.get('X-Heartbeat-Ms')) || this.#heartbeatMs;
  }

  #known(generationId: string): void {
    this.generationId = generationId;
    this.#backoff.limitMs = this.#timing.giveUpMs;
    this.#accept(generationId);
  }

  /** The event, if it is new. Throws `gap` where events are missing: the log has them. */
  #take(data: string, id: string | null): StreamEvent | null {
    const position = id === null ? null : parsePosition(id);
    if (position === null) id = null;
    if (position !== null) {
      const standing = relation(this.#last, position);
      if (standing === 'known') return null;
      if (standing === 'gap') throw new HeadraceError('Events are missing.', { code: 'gap', retryable: true });
    }
    const event = parseEvent(data, id);
    if (event.type === 'refused') {
      const { code, message, retryable } = event;
      throw new HeadraceError(message, { code, retryable, status: code === ACCESS_ENDED ? 401 : undefined });
    }
    if (event.type === 'start') {
      this.conversationId = event.conversationId ?? this.conversationId;
      if (this.generationId === null && event.generationId) this.#known(event.generationId);
    }
    if (position !== null) {
      this.#last = position;
      this.position = id;
      if (this.#share) this.#share.position = id;
      this.#backoff.progressed();
    }
    if (event.type !== 'unknown') return event;
    this.#options.onUnknown?.({ data, position: id });
    return null;
  }

  get #silenceMs(): number {
    return this.#heartbeatMs * 2.5;
  }

  #tell(connection: Connection): void {
    if (connection === this.#told) return;
    this.#told = connection;
    if (this.#share) this.#share.connection = connection;
    this.#options.onConnection?.(connection);
  }
}

function turn(): HeadraceError {
  return new HeadraceError('Another page reads on.', { code: 'turn', retryable: true });
}

function wire(request: ChatRequest | ContinueRequest): Record<string, unknown> {
  const common = {
    conversation_id: request.conversationId,
    model: request.model,
    max_tokens: request.maxTokens,
    on_disconnect: request.onDisconnect,
  };
  if ('continues' in request) return { continues: request.continues, ...common };
  const { message, parts, multimodal, onBusy, replaces, settings } = request;
  const kept = settings && wireSettings(settings);
  return { message: wireMessage(message, parts), ...common, multimodal, on_busy: onBusy, replaces, settings: kept };
}
