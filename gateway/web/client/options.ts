import type { HeadraceClient } from './client.js';
import type { Outbox } from './outbox.js';

export interface SessionOptions {
  client?: HeadraceClient | undefined;
  /** An existing conversation, or one to be; without an id it is a new one. */
  conversationId?: string | undefined;
  model?: string | undefined;
  /** Told once a new conversation has its first message. */
  onConversation?: ((id: string) => void) | undefined;
  /** How often to look, in ms, whether somebody else has written in it; 2,500 by default. */
  followMs?: number | undefined;
  /** Where messages are kept that the server does not have; this browser's database by default. */
  outbox?: Outbox | undefined;
}
