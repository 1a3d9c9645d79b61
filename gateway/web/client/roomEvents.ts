/** What a room says over its WebSocket. Entries of its log have a `position`; the others are of the moment. */

export type RoomRole = 'creator' | 'member' | 'reader';

export interface RoomMember {
  userId: string;
  name: string;
  role: RoomRole;
}

interface Entry {
  position: string;
  timestamp: string;
}

interface OfReply extends Entry {
  generation_id: string;
  conversation_id: string;
}

export type RoomEvent =
  | (Entry & RoomMember & { type: 'message'; content: string; id?: string })
  | (Entry & RoomMember & { type: 'user_joined' | 'user_left' })
  | (Entry & { type: 'cleared'; userId: string; name: string })
  | (OfReply & { type: 'stream_start'; model: string })
  | (OfReply & { type: 'stream_chunk'; content: string })
  | (OfReply & { type: 'stream_reset'; reason: string })
  | (OfReply & { type: 'stream_end'; finish_reason: string })
  | (OfReply & { type: 'stream_error'; code: string; message: string })
  | (OfReply & { type: 'stopped'; userId?: string; name?: string })
  | { type: 'members'; members: RoomMember[]; you: string; as_of: string; timestamp: string }
  | { type: 'user_typing'; userId: string; name: string; timestamp: string }
  | { type: 'rewound'; to: string }
  | { type: 'truncated'; after: string; first: string }
  | { type: 'invitation'; id: string; invitation: string; role: RoomRole; expires_ms: number }
  | {
      type: 'error';
      code: string;
      message: string;
      retryable: boolean;
      field?: string;
      id?: string;
      retry_after_s?: number;
    };

/** An entry of a room's log. */
export type RoomEntry = Extract<RoomEvent, Entry>;

const TYPES: Record<RoomEvent['type'], readonly string[]> = {
  message: ['position', 'userId', 'content'],
  user_joined: ['position', 'userId'],
  user_left: ['position', 'userId'],
  cleared: ['position', 'userId'],
  stream_start: ['position', 'generation_id'],
  stream_chunk: ['position', 'generation_id', 'content'],
  stream_reset: ['position', 'generation_id'],
  stream_end: ['position', 'generation_id'],
  stream_error: ['position', 'generation_id', 'code'],
  stopped: ['position', 'generation_id'],
  members: ['as_of', 'you'],
  user_typing: ['userId'],
  rewound: ['to'],
  truncated: ['after', 'first'],
  invitation: ['invitation'],
  error: ['code', 'message'],
};

/** What *text* says; null for what a newer server says and this client does not know. */
export function roomEvent(text: string): RoomEvent | null {
  try {
    const said = JSON.parse(text) as Record<string, unknown> | null;
    const needed = TYPES[said?.type as RoomEvent['type']];
    if (!needed?.every((name) => typeof said?.[name] === 'string')) return null;
    return said as unknown as RoomEvent;
  } catch {
    return null;
  }
}

/** Whether *next* comes after *last*, or belongs to another life of the room. */
export function isAfter(next: string, last: string): boolean {
  const [life, number] = next.split('-');
  const [lastLife, lastNumber] = last.split('-');
  return life !== lastLife || Number(number) > Number(lastNumber);
}
