import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import {
  ChatSession,
  type ChatSettings,
  type ChatSnapshot,
  HeadraceClient,
  type MessagePart,
  type NewShare,
  type SendOptions,
  type Share,
} from '../client/index.js';

export interface StreamingChatOptions {
  /** An existing conversation, or one to be; without an id it is a new one. */
  conversationId?: string | undefined;
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
  /** Who answers where the conversation's own settings do not say. */
  model?: string | undefined;
  /** Instead of `baseUrl` and `apiKey`: one client for many conversations. */
  client?: HeadraceClient | undefined;
  /** Told once a new conversation has its first message. */
  onConversation?: ((id: string) => void) | undefined;
}

export interface UseStreamingChat extends ChatSnapshot {
  sendMessage(text: string, options?: SendOptions): Promise<void>;
  /** Keep a picture or a text file, for `sendMessage` to take with it. Throws. */
  upload(file: Blob, name?: string): Promise<MessagePart>;
  /** The bytes of a message's part. Throws. */
  readBlob(blob: string): Promise<Blob>;
  /** A read-only link to the conversation; those that there are; the end of one. They throw. */
  share(expiresS?: number): Promise<NewShare>;
  shares(): Promise<Share[]>;
  revokeShare(shareId: string): Promise<void>;
  stopStream(): Promise<void>;
  regenerate(messageId?: string): Promise<void>;
  editMessage(messageId: string, text: string): Promise<boolean>;
  continueReply(messageId?: string): Promise<boolean>;
  showBranch(generationId: string): Promise<void>;
  changeSettings(settings: ChatSettings): Promise<void>;
  takeBack(messageId: string): Promise<string | null>;
  sendAgain(messageId: string): Promise<void>;
  retry(): Promise<void>;
  dismissError(): void;
}

interface Held {
  asked: string | undefined;
  client: HeadraceClient;
  session: ChatSession;
}

/** A conversation: its messages as they arrive, and what a user can do in it. Functions keep their identity. */
export function useStreamingChat(options: StreamingChatOptions = {}): UseStreamingChat {
  const { conversationId, baseUrl, apiKey, model, onConversation } = options;
  const own = useMemo(
    () => options.client ?? new HeadraceClient({ baseUrl, apiKey }),
    [options.client, baseUrl, apiKey],
  );
  const session = useSession(own, conversationId, model);
  useEffect(() => session.configure({ model, onConversation }), [session, model, onConversation]);
  useEffect(() => {
    session.open();
    return () => session.close();
  }, [session]);
  const current = () => session.snapshot;
  const snapshot = useSyncExternalStore(session.subscribe, current, current);
  return useMemo(() => {
    const { sendMessage, stopStream, regenerate, editMessage, continueReply, showBranch } = session;
    const { upload, readBlob, share, shares, revokeShare } = session;
    const files = { upload, readBlob, share, shares, revokeShare };
    const { takeBack, sendAgain, changeSettings, retry, dismissError } = session;
    const turns = { sendMessage, stopStream, regenerate, editMessage, continueReply, showBranch };
    return { ...snapshot, ...turns, ...files, takeBack, sendAgain, changeSettings, retry, dismissError };
  }, [snapshot, session]);
}

/** The same session for as long as the same conversation is asked for, also when a new one gets to know its id. */
function useSession(client: HeadraceClient, asked: string | undefined, model: string | undefined): ChatSession {
  const [held, hold] = useState<Held>(() => begin(client, asked, model));
  if (held.client === client && held.asked === asked) return held.session;
  const isKnown = held.client === client && held.session.conversationId === asked;
  const next = isKnown ? { ...held, asked } : begin(client, asked, model);
  hold(next);
  return next.session;
}

function begin(client: HeadraceClient, asked: string | undefined, model: string | undefined): Held {
  return { asked, client, session: new ChatSession({ client, conversationId: asked, model }) };
}
