import { isAfter, type RoomEntry, type RoomEvent, type RoomMember } from './roomEvents.js';

/** What somebody said, or a reply as far as it has come. */
export interface RoomMessage {
  /** The message's own, or the reply's generation. */
  id: string;
  from: 'user' | 'assistant';
  userId: string | null;
  name: string;
  content: string;
  /** `sending`: not in the room's log yet. */
  state: 'sending' | 'said' | 'streaming' | 'done' | 'stopped' | 'failed';
  /** Why it failed, or who stopped it. */
  detail?: string | undefined;
  timestamp: string;
}

export interface RoomContent {
  messages: readonly RoomMessage[];
  members: readonly RoomMember[];
  /** The reply under way. */
  active: string | null;
  /** The last entry that is in it. */
  position: string;
  /** Entries before it are no longer kept. */
  isTruncated: boolean;
}

export const EMPTY: RoomContent = { messages: [], members: [], active: null, position: '', isTruncated: false };

/**
 * What a room's log comes to, entry by entry, with the place of each: so that what was rewound can be taken back.
 * All members' logs are the same, and so are their contents.
 */
export class RoomTranscript {
  #entries: RoomEntry[] = [];
  #content = EMPTY;
  #membersAsOf = '';

  get content(): RoomContent {
    return this.#content;
  }

  /** Take *event*; false for an entry that is known already. */
  take(event: RoomEvent): boolean {
    if ('position' in event) {
      const { position } = this.#content;
      if (position !== '' && !isAfter(event.position, position)) return false;
      if (event.type === 'cleared') this.#entries = [];
      this.#entries.push(event);
      this.#content = applied(this.#content, event, this.#membersAsOf);
    } else if (event.type === 'members') {
      this.#membersAsOf = event.as_of;
      this.#content = { ...this.#content, members: event.members };
    } else if (event.type === 'truncated') {
      this.#content = { ...this.#content, isTruncated: true };
    } else if (event.type === 'rewound') {
      this.#rewind(event.to);
    }
    return true;
  }

  #rewind(to: string): void {
    const kept = this.#entries.filter(({ position }) => sameLife(position, to) && !isAfter(position, to));
    const { members } = this.#content;
    this.#entries = kept;
    this.#content = { ...EMPTY, members, position: to };
    for (const entry of kept) this.#content = { ...applied(this.#content, entry, '~'), position: to };
    this.#content = { ...this.#content, members };
  }
}

function sameLife(a: string, b: string): boolean {
  return a.split('-')[0] === b.split('-')[0];
}

function applied(content: RoomContent, entry: RoomEntry, asOf: string): RoomContent {
  const next = { ...content, position: entry.position };
  const { messages, members } = content;
  switch (entry.type) {
    case 'message': {
      const { userId, name, content: text, timestamp } = entry;
      const id = entry.id ?? entry.position;
      return {
        ...next,
        messages: [...messages, { id, from: 'user', userId, name, content: text, state: 'said', timestamp }],
      };
    }
    case 'user_joined':
    case 'user_left': {
      // Those who were there when it was asked are known; what was said before that is of before.
      if (asOf !== '' && !isAfter(entry.position, asOf)) return next;
      const others = members.filter(({ userId }) => userId !== entry.userId);
      const { userId, name, role } = entry;
      return { ...next, members: entry.type === 'user_left' ? others : [...others, { userId, name, role }] };
    }
    case 'cleared':
      return { ...next, messages: [], active: null, isTruncated: false };
    case 'stream_start': {
      const { generation_id: id, model, timestamp } = entry;
      const begun = { id, from: 'assistant', userId: null, name: model, content: '', state: 'streaming', timestamp };
      return { ...next, active: id, messages: [...messages, begun as RoomMessage] };
    }
    case 'stream_chunk':
      return changed(next, entry.generation_id, (reply) => ({ ...reply, content: reply.content + entry.content }));
    case 'stream_reset':
      return changed(next, entry.generation_id, (reply) => ({ ...reply, content: '' }));
    case 'stream_end':
      return changed({ ...next, active: null }, entry.generation_id, (reply) => ({ ...reply, state: 'done' }));
    case 'stopped':
      return changed({ ...next, active: null }, entry.generation_id, (reply) => ({
        ...reply,
        state: 'stopped',
        detail: entry.name,
      }));
    case 'stream_error':
      return changed({ ...next, active: null }, entry.generation_id, (reply) => ({
        ...reply,
        state: 'failed',
        detail: entry.message,
      }));
  }
}

function changed(content: RoomContent, id: string, change: (reply: RoomMessage) => RoomMessage): RoomContent {
  const at = content.messages.findLastIndex((message) => message.id === id);
  const reply = content.messages[at];
  if (!reply) {
    // Its beginning is no longer kept.
    const rest = { id, from: 'assistant', userId: null, name: '', content: '', state: 'streaming', timestamp: '' };
    return { ...content, messages: [...content.messages, change(rest as RoomMessage)] };
  }
  return { ...content, messages: content.messages.with(at, change(reply)) };
}
