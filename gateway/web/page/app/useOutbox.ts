/** Sends what other conversations left unsent, and tells which do. */
import { useEffect, useState } from 'react';
import { ChatSession, type HeadraceClient, type OutboxEntry, outbox } from '../../client/index.js';

const EVERY_MS = 5_000;
/** What is on its way needs no word. */
const LATE_MS = 3_000;

/** A conversation other than *currentId* with messages that were not sent; null where there is none. */
export function useOutbox(client: HeadraceClient, currentId: string | null): string | null {
  const [late, setLate] = useState<string | null>(null);
  useEffect(() => {
    const senders = new Map<string, ChatSession>();
    let isOpen = true;
    const look = async () => {
      const unsent = (await outbox().all()).filter((entry) => isLate(entry) && entry.conversationId !== currentId);
      if (!isOpen) return;
      const ids = new Set(unsent.map(({ conversationId }) => conversationId));
      for (const { conversationId, error } of unsent) {
        if (error || senders.has(conversationId)) continue;
        const session = new ChatSession({ client, conversationId });
        session.open();
        senders.set(conversationId, session);
      }
      for (const [id, session] of senders) {
        if (ids.has(id)) continue;
        session.close();
        senders.delete(id);
      }
      setLate(unsent[0]?.conversationId ?? null);
    };
    void look();
    const timer = setInterval(look, EVERY_MS);
    window.addEventListener('online', look);
    return () => {
      isOpen = false;
      clearInterval(timer);
      window.removeEventListener('online', look);
      for (const session of senders.values()) session.close();
    };
  }, [client, currentId]);
  return late;
}

function isLate({ generationId, createdAt }: OutboxEntry): boolean {
  return generationId === undefined && Date.now() - createdAt > LATE_MS;
}
