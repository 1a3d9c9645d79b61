import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { Room, type RoomOptions, type RoomSnapshot } from '../client/index.js';

export interface UseRoom extends RoomSnapshot {
  say(text: string): void;
  /** To be called whenever the user types. */
  sendTyping(): void;
  stop(): void;
  clear(): void;
  invite(role?: 'member' | 'reader', expiresS?: number): Promise<string>;
  dismissError(): void;
}

/** A room: what is said as it arrives, who is there and who types, and what a user can do in it. */
export function useRoom(options: Omit<RoomOptions, 'onEvent' | 'WebSocket'>): UseRoom {
  const { roomId, userId, name, invitation, baseUrl } = options;
  const room = useMemo(
    () => new Room({ roomId, userId, name, invitation, baseUrl }),
    [roomId, userId, name, invitation, baseUrl],
  );
  useEffect(() => {
    room.open();
    return () => room.close();
  }, [room]);
  const current = () => room.snapshot;
  const snapshot = useSyncExternalStore(room.subscribe, current, current);
  return useMemo(() => {
    const { say, typing: sendTyping, stop, clear, invite, dismissError } = room;
    return { ...snapshot, say, sendTyping, stop, clear, invite, dismissError };
  }, [snapshot, room]);
}
