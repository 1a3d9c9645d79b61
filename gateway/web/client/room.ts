import { HeadraceError } from './error.js';
import { isOffline, onReturn } from './network.js';
import { Publisher } from './publisher.js';
import { type RoomEvent, roomEvent } from './roomEvents.js';
import { type RoomContent, type RoomMessage, RoomTranscript } from './transcriptOfRoom.js';
import { uuid } from './uuid.js';

export interface RoomOptions {
  roomId: string;
  /** Who this is, and what others call it; made up where there is none. */
  userId?: string | undefined;
  name?: string | undefined;
  /** What opens a room of somebody else. */
  invitation?: string | undefined;
  /** Where Headrace is; a page that Headrace serves itself needs none. */
  baseUrl?: string | undefined;
  /** Told everything that is said, after the snapshot has it. */
  onEvent?: ((event: RoomEvent) => void) | undefined;
  WebSocket?: typeof WebSocket | undefined;
}

export type RoomConnection = 'idle' | 'connecting' | 'open' | 'reconnecting' | 'closed';

export interface RoomError {
  code: string;
  message: string;
}

export interface RoomSnapshot extends RoomContent {
  /** Its own messages that the room does not have yet are the last. */
  messages: readonly RoomMessage[];
  connection: RoomConnection;
  /** Who this is there. */
  userId: string;
  /** Those others who write at this moment. */
  typing: readonly { userId: string; name: string }[];
  /** What was refused last, or why it may not be there any more. */
  error: RoomError | null;
}

const TYPING_EVERY_MS = 2_000;
/** Somebody who was told to write is taken to have stopped after that. */
const TYPING_LASTS_MS = 4_000;
const LONGEST_DELAY_MS = 15_000;
/** A connection that has not opened by then is tried again. */
const OPENING_MS = 10_000;
const ASKED_MS = 10_000;

/** Close codes after which coming back is of no use. */
const OUT: Record<number, string> = { 4401: 'unauthorized', 4403: 'forbidden', 4409: 'taken' };
/** So many connections in a row that were never opened: a page is not told why. */
const REFUSED_TIMES = 6;

interface Unsaid {
  message: RoomMessage;
  sent: string;
}

/**
 * A member's place in a room, which outlives its connections: it comes back after what it has read, and what it has
 * said is said once. A store of snapshots, and the actions of its user; actions never throw.
 */
export class Room {
  readonly #asked: string;
  /** What tells that it is the same one again: others may see its id, and ask for that. */
  readonly #member = uuid();
  #userId: string;
  readonly #options: RoomOptions;
  readonly #transcript = new RoomTranscript();
  readonly #listeners = new Set<() => void>();
  readonly #typing = new Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>();
  readonly #publisher = new Publisher(() => this.#publish());
  #unsaid: Unsaid[] = [];
  #socket: WebSocket | null = null;
  #connection: RoomConnection = 'idle';
  #error: RoomError | null = null;
  #failures = 0;
  #neverOpened = 0;
  #typedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #opening: ReturnType<typeof setTimeout> | null = null;
  #forgetNetwork: (() => void) | null = null;
  #invited: ((token: string | HeadraceError) => void) | null = null;
  #snapshot: RoomSnapshot;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#asked = options.userId ?? `guest-${uuid().slice(0, 8)}`;
    this.#userId = this.#asked;
    this.#snapshot = this.#build();
  }

  /** Who this is there: the id that was asked for, or one like it where somebody else goes by that. */
  get userId(): string {
    return this.#userId;
  }

  get snapshot(): RoomSnapshot {
    return this.#snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Be there, until `close`. */
  open(): void {
    if (this.#connection !== 'idle' && this.#connection !== 'closed') return;
    this.#forgetNetwork = onReturn(() => this.#again(0));
    this.#connection = 'connecting';
    this.#connect();
    this.#publisher.now();
  }

  /** Leave. */
  close(): void {
    this.#end('idle');
    this.#publisher.cancel();
    this.#publish();
  }

  /** Say *text*: once, whatever breaks meanwhile. */
  readonly say = (text: string): void => {
    const content = text.trim();
    if (content === '') return;
    const id = uuid();
    const { userId } = this;
    const sent = JSON.stringify({ type: 'send_message', message: content, userId: this.#asked, id });
    const name = this.#options.name ?? userId;
    const timestamp = new Date().toISOString();
    const message: RoomMessage = { id, from: 'user', userId, name, content, state: 'sending', timestamp };
    this.#unsaid = [...this.#unsaid, { message, sent }];
    this.#typedAt = Number.NEGATIVE_INFINITY;
    this.#error = null;
    this.#transmit(sent);
    this.#publisher.schedule();
  };

  /** Tell the others; as often as it is called, seldom enough. */
  readonly typing = (): void => {
    const now = performance.now();
    if (now - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = now;
    this.#send({ type: 'user_typing' });
  };

  /** Stop the reply under way. */
  readonly stop = (): void => this.#send({ type: 'stop' });

  /** Let go of all that was said. */
  readonly clear = (): void => this.#send({ type: 'clear' });

  /** What opens the room for others. Rejects with a `HeadraceError`. */
  readonly invite = (role: 'member' | 'reader' = 'member', expiresS = 7 * 86_400): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#invited?.(unreachable()), ASKED_MS);
      this.#invited?.(unreachable());
      this.#invited = (token) => {
        clearTimeout(timer);
        this.#invited = null;
        if (typeof token === 'string') resolve(token);
        else reject(token);
      };
      if (this.#socket?.readyState === 1) this.#send({ type: 'invite', role, expires_s: expiresS });
      else this.#invited(unreachable());
    });

  readonly dismissError = (): void => {
    this.#error = null;
    this.#publisher.schedule();
  };

  #connect(): void {
    const socket = this.#options.WebSocket ? new this.#options.WebSocket(this.#url()) : new WebSocket(this.#url());
    this.#socket = socket;
    let wasOpen = false;
    this.#opening = setTimeout(() => socket.close(), OPENING_MS);
    socket.onopen = () => {
      wasOpen = true;
      this.#neverOpened = 0;
      this.#connection = 'open';
      if (this.#opening !== null) clearTimeout(this.#opening);
      for (const { sent } of this.#unsaid) socket.send(sent);
      this.#publisher.schedule();
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket && typeof data === 'string') this.#take(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return;
      if (!wasOpen && !isOffline()) this.#neverOpened += 1;
      this.#lost(code, reason);
    };
    this.#publisher.schedule();
  }

  #url(): string {
    const { roomId, baseUrl, name, invitation } = this.#options;
    const base = new URL(baseUrl || location.href, typeof location === 'undefined' ? undefined : location.href);
    const path = baseUrl ? base.pathname.replace(/\/+$/, '') : '';
    const url = new URL(`${path}/ws/${encodeURIComponent(roomId)}`, base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const { position } = this.#transcript.content;
    const query = { userId: this.#asked, member: this.#member, name, invitation, after: position || undefined };
    for (const [key, value] of Object.entries(query)) if (value) url.searchParams.set(key, value);
    return url.href;
  }

  #take(text: string): void {
    const event = roomEvent(text);
    if (event === null || !this.#transcript.take(event)) return;
    this.#failures = 0;
    if (event.type === 'members') {
      this.#userId = event.you;
    } else if (event.type === 'message') {
      this.#unsaid = this.#unsaid.filter(({ message }) => message.id !== event.id);
      this.#stopsTyping(event.userId);
    } else if (event.type === 'user_typing') {
      if (event.userId !== this.userId) this.#types(event.userId, event.name);
    } else if (event.type === 'user_left') {
      this.#stopsTyping(event.userId);
    } else if (event.type === 'invitation') {
      this.#invited?.(event.invitation);
    } else if (event.type === 'error') {
      this.#refused(event);
    }
    this.#publisher.schedule();
    this.#options.onEvent?.(event);
  }

  #refused(event: Extract<RoomEvent, { type: 'error' }>): void {
    const { id, code, message, retryable } = event;
    if (id === undefined) {
      const answered = this.#invited;
      answered?.(new HeadraceError(message, { code, retryable }));
      // Two may have stopped the same reply.
      if (answered || code === 'conflict') return;
    }
    this.#unsaid = this.#unsaid.map((unsaid) =>
      unsaid.message.id === id
        ? { ...unsaid, message: { ...unsaid.message, state: 'failed', detail: message } }
        : unsaid,
    );
    this.#error = { code, message };
  }

  #lost(code: number, reason: string): void {
    this.#socket = null;
    if (this.#opening !== null) clearTimeout(this.#opening);
    this.#invited?.(unreachable());
    const out = OUT[code] ?? (this.#neverOpened >= REFUSED_TIMES ? 'unreachable' : null);
    if (out !== null) {
      this.#error = { code: out, message: reason };
      this.#end('closed');
      this.#publish();
      return;
    }
    this.#connection = this.#neverOpened === 0 || this.#transcript.content.position ? 'reconnecting' : 'connecting';
    const delayMs = Math.min(LONGEST_DELAY_MS, 100 * 2 ** this.#failures) * (1 + Math.random() / 2);
    this.#failures += 1;
    this.#again(delayMs);
    this.#publisher.schedule();
  }

  #again(delayMs: number): void {
    if (this.#socket !== null || this.#connection === 'closed' || this.#connection === 'idle') return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#connect();
    }, delayMs);
  }

  #end(connection: RoomConnection): void {
    this.#connection = connection;
    this.#forgetNetwork?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#opening !== null) clearTimeout(this.#opening);
    this.#timer = null;
    for (const userId of [...this.#typing.keys()]) this.#stopsTyping(userId);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #send(said: Record<string, unknown>): void {
    this.#transmit(JSON.stringify({ ...said, userId: this.#asked }));
  }

  #transmit(sent: string): void {
    if (this.#socket?.readyState === 1) this.#socket.send(sent);
  }

  #types(userId: string, name: string): void {
    this.#stopsTyping(userId);
    const timer = setTimeout(() => {
      this.#stopsTyping(userId);
      this.#publisher.schedule();
    }, TYPING_LASTS_MS);
    this.#typing.set(userId, { name, timer });
  }

  #stopsTyping(userId: string): void {
    const known = this.#typing.get(userId);
    if (known) clearTimeout(known.timer);
    this.#typing.delete(userId);
  }

  #build(): RoomSnapshot {
    const content = this.#transcript.content;
    return {
      ...content,
      messages: [...content.messages, ...this.#unsaid.map(({ message }) => message)],
      connection: this.#connection,
      userId: this.userId,
      typing: [...this.#typing].map(([userId, { name }]) => ({ userId, name })),
      error: this.#error,
    };
  }

  #publish(): void {
    this.#snapshot = this.#build();
    for (const listener of [...this.#listeners]) listener();
  }
}

function unreachable(): HeadraceError {
  return new HeadraceError('The room cannot be reached.', { code: 'unreachable', retryable: true });
}
