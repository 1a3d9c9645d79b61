/** Who this browser is in rooms: the name chosen once, and an id that stays. */
import { useCallback, useState } from 'react';
import { uuid } from '../../client/uuid.ts';

const NAME = 'headrace.room.name';
const USER = 'headrace.room.user';

export interface Identity {
  /** '' until one is chosen. */
  name: string;
  userId: string;
  choose(name: string): void;
}

export function useIdentity(): Identity {
  const [name, setName] = useState(() => read(NAME));
  const [userId] = useState(() => {
    const known = read(USER) || `u-${uuid().slice(0, 8)}`;
    write(USER, known);
    return known;
  });
  const choose = useCallback((chosen: string) => {
    write(NAME, chosen);
    setName(chosen);
  }, []);
  return { name, userId, choose };
}

/** The invitation that the address brings: in its fragment, which no server and no log gets to see. */
export function invitationOf(): string {
  return location.hash.slice(1);
}

/** Make a room with a name that nobody guesses, and go there; else why not. */
export async function startRoom(): Promise<'made' | 'key' | 'failed'> {
  try {
    const response = await fetch('/api/rooms', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    });
    if (!response.ok) return response.status === 401 ? 'key' : 'failed';
    const { room_id } = (await response.json()) as { room_id: string };
    location.assign(`/r/${room_id}`);
    return 'made';
  } catch {
    return 'failed';
  }
}

function read(name: string): string {
  try {
    return localStorage.getItem(name) ?? '';
  } catch {
    return '';
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // No storage: it holds until the page is closed.
  }
}
