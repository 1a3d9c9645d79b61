import type { Frame } from './frames.js';
import type { Connection } from './network.js';
import { parsePosition, relation } from './position.js';
import { uuid } from './uuid.js';

/**
 * `lead`: read the network, and feed the others. `follow`: be fed. `sip`: lead as well, but by short
 * connections now and then, for too many streams are open.
 */
export type Role = 'lead' | 'follow' | 'sip';

/** What readers tell one another; the name has the version of these messages. */
const CHANNEL = 'headrace.streams.1';
/** A browser gives an origin six connections: these many are for streams, the others for everything else. */
const MOST_STREAMS = 4;
const BEAT_MS = 1_000;
/** Without a beat for so long, a reader is gone. A hidden page's timers may run once a minute. */
const GONE_MS = { seen: 3_500, hidden: 65_000 };
/** How long to wait for word of other readers. */
const ANSWER_MS = 60;
/** Between two short connections. */
export const SIP_MS = 1_000;
/** Frames kept for a reader that does not take them; beyond that it reads the log. */
const MOST_FRAMES = 1_000;

interface Beat {
  kind: 'beat';
  reader: string;
  generationId: string;
  isHidden: boolean;
  since: number;
  position: string | null;
  connection: Connection;
  /** It has just begun, and knows of nobody. */
  isNew: boolean;
}

type Message =
  | Beat
  | { kind: 'frame'; reader: string; generationId: string; id: string | null; data: string }
  | { kind: 'left'; reader: string }
  | { kind: 'yield' };

/** One reader's part: where its frames come from. */
export class Share {
  readonly reader = uuid();
  readonly since = Date.now();
  role: Role = 'lead';
  /** Resolves once others had the time to say that they read the same. */
  readonly settled = new Promise<void>((resolve) => setTimeout(resolve, ANSWER_MS));
  /** Of the last frame taken. */
  position: string | null = null;
  connection: Connection = 'connecting';
  isFollowed = false;
  /** Told of the leader's connection. */
  onConnection: (connection: Connection) => void = () => {};
  /** The open connection is to be given up. */
  onYield: () => void = () => {};
  #leaderAt: string | null = null;
  #isUrgent = false;
  #frames: Frame[] = [];
  #wake: () => void = () => {};

  constructor(
    readonly generationId: string,
    private readonly sharing: Sharing,
  ) {}

  /** A frame that the network brought, for the others. */
  feed({ id, data }: Frame): void {
    if (this.isFollowed) this.sharing.feed(this, id, data);
  }

  /** The next frame that another page read; null once the network is to be asked. */
  async next(signal: AbortSignal): Promise<Frame | null> {
    const due = Date.now() + SIP_MS;
    this.#isUrgent = false;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (true) {
        signal.throwIfAborted();
        const frame = this.#frames.shift();
        if (frame) return frame;
        if (this.role === 'lead' || this.#isUrgent || this.#isBehind || (this.role === 'sip' && Date.now() >= due))
          return null;
        const timer = this.role === 'sip' ? setTimeout(wake, due - Date.now()) : undefined;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        clearTimeout(timer);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  /** Ask the network now, whoever leads. */
  hurry(): void {
    this.#isUrgent = true;
    this.#wake();
  }

  close(): void {
    this.sharing.leave(this);
  }

  /** @internal */
  take(frame: Frame): void {
    if (this.role === 'lead') return;
    if (this.#frames.length >= MOST_FRAMES) this.#frames = [];
    this.#frames.push(frame);
    this.#wake();
  }

  /** @internal */
  judge(role: Role, isFollowed: boolean, leader: Beat | null): void {
    const hasLed = this.role === 'lead';
    this.role = role;
    this.isFollowed = isFollowed;
    if (role === 'follow' && leader) {
      this.#leaderAt = leader.position;
      if (leader.connection !== 'idle') this.onConnection(leader.connection);
    }
    if (role !== 'follow') this.#frames = [];
    if (hasLed && role !== 'lead') this.onYield();
    this.#wake();
  }

  /** The leader has read on, and its frames did not come here. */
  get #isBehind(): boolean {
    const leader = this.#leaderAt === null ? null : parsePosition(this.#leaderAt);
    const own = this.position === null ? null : parsePosition(this.position);
    return this.role === 'follow' && leader !== null && relation(own, leader) !== 'known';
  }
}

/**
 * Pages of one browser that read the same reply share one stream: one leads, the others are fed over a
 * BroadcastChannel, and one of them takes over when the leader closes, freezes or is hidden. All know from each
 * other's beats who reads what, so the browser's few connections are never all taken by streams.
 */
export class Sharing {
  readonly #shares = new Set<Share>();
  readonly #others = new Map<string, Beat & { heardAt: number }>();
  #channel: BroadcastChannel | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #beatAt = 0;

  join(generationId: string): Share {
    const share = new Share(generationId, this);
    this.#shares.add(share);
    this.#open();
    this.#beat(true);
    return share;
  }

  /** @internal */
  leave(share: Share): void {
    if (!this.#shares.delete(share)) return;
    this.#post({ kind: 'left', reader: share.reader });
    if (this.#shares.size === 0) this.#close();
    else this.#judge();
  }

  /** @internal */
  feed({ reader, generationId }: Share, id: string | null, data: string): void {
    this.#post({ kind: 'frame', reader, generationId, id, data });
    this.alive();
  }

  /** A network event: in a hidden page timers are late, this is not. */
  alive(): void {
    if (Date.now() - this.#beatAt > BEAT_MS) this.#beat();
  }

  /** Something has happened to this generation. */
  hurry(generationId: string): void {
    for (const share of this.#shares) if (share.generationId === generationId) share.hurry();
  }

  /** Something must get through at once: every page gives its stream's connection up, and makes it anew. */
  makeRoom(): void {
    const channel = this.#channel ?? new BroadcastChannel(CHANNEL);
    channel.postMessage({ kind: 'yield' } satisfies Message);
    if (channel !== this.#channel) channel.close();
    for (const share of this.#shares) share.onYield();
  }

  #open(): void {
    if (this.#channel) return;
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = ({ data }: MessageEvent<Message | null>) => this.#hear(data);
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    if (typeof window === 'undefined') return;
    document.addEventListener('visibilitychange', this.#onVisibility);
    window.addEventListener('pagehide', this.#onHide);
  }

  #close(): void {
    clearInterval(this.#timer);
    this.#channel?.close();
    this.#channel = null;
    this.#others.clear();
    if (typeof window === 'undefined') return;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    window.removeEventListener('pagehide', this.#onHide);
  }

  readonly #onVisibility = (): void => this.#beat();

  readonly #onHide = (): void => {
    for (const { reader } of this.#shares) this.#post({ kind: 'left', reader });
  };

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(message: Message | null): void {
    switch (message?.kind) {
      case 'beat':
        this.#others.set(message.reader, { ...message, heardAt: Date.now() });
        if (message.isNew) this.#beat();
        else this.#judge();
        break;
      case 'frame':
        for (const share of this.#shares) {
          if (share.generationId === message.generationId) share.take({ ...message, event: 'message' });
        }
        break;
      case 'left':
        this.#others.delete(message.reader);
        this.#judge();
        break;
      case 'yield':
        for (const share of this.#shares) share.onYield();
    }
  }

  #beat(isNew = false): void {
    this.#beatAt = Date.now();
    for (const share of this.#shares) this.#post(beatOf(share, isNew));
    for (const [reader, { heardAt, isHidden }] of this.#others) {
      if (this.#beatAt - heardAt > (isHidden ? GONE_MS.hidden : GONE_MS.seen)) this.#others.delete(reader);
    }
    this.#judge();
  }

  /** Everybody knows the same, and comes to the same conclusion. */
  #judge(): void {
    const readers: Beat[] = [...this.#others.values(), ...[...this.#shares].map((share) => beatOf(share, false))];
    readers.sort(
      (a, b) => Number(a.isHidden) - Number(b.isHidden) || a.since - b.since || (a.reader < b.reader ? -1 : 1),
    );
    const leaders = new Map<string, Beat>();
    for (const beat of readers) if (!leaders.has(beat.generationId)) leaders.set(beat.generationId, beat);
    const streams = [...leaders.keys()].slice(0, MOST_STREAMS);
    for (const share of this.#shares) {
      const { generationId, reader } = share;
      const leader = leaders.get(generationId) ?? null;
      const isFollowed = readers.some((one) => one.generationId === generationId && one.reader !== reader);
      if (leader?.reader !== reader) share.judge('follow', false, leader);
      else share.judge(streams.includes(generationId) ? 'lead' : 'sip', isFollowed, null);
    }
  }
}

function beatOf({ reader, generationId, since, position, connection }: Share, isNew: boolean): Beat {
  const isHidden = typeof document !== 'undefined' && document.visibilityState === 'hidden';
  return { kind: 'beat', reader, generationId, isHidden, since, position, connection, isNew };
}
