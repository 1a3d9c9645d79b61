import type { Spent } from './api.js';
import { HeadraceError } from './error.js';
import type { FinishReason, MadeCall, Usage } from './events.js';
import type { Connection } from './network.js';
import type { MessagePart } from './parts.js';
import type { ChatSettings } from './settings.js';

/** `unsent`: the server cannot be reached; it is sent as soon as it can. */
export type MessageState = 'sending' | 'unsent' | 'queued' | 'streaming' | 'done' | 'failed' | 'cancelled';

export interface SendOptions {
  model?: string | undefined;
  maxTokens?: number | undefined;
  /** How the conversation is answered from now on. */
  settings?: ChatSettings | undefined;
  /** Pictures and files after the text. */
  parts?: readonly MessagePart[] | undefined;
  /** While another reply is on its way: `interrupt` stops it first, as without this option; `queue` lets it end. */
  onBusy?: 'interrupt' | 'queue' | undefined;
}

export interface ChatError {
  code: string;
  message: string;
  retryable: boolean;
  status?: number;
  retryAfterMs?: number;
}

export interface ChatMessage {
  /** Stays the same from the first keystroke's optimistic message to the stored one. */
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: string;
  readonly reasoning?: string;
  /** How long it took, once it is over. */
  readonly reasoningMs?: number;
  /** In ms since the epoch. */
  readonly createdAt: number;
  readonly state: MessageState;
  /** Why a reply ended, where that is known: `length` and `content_filter` have cut one that is `done`. */
  readonly finishReason?: FinishReason;
  readonly generationId?: string;
  readonly model?: string;
  readonly usage?: Usage;
  readonly error?: ChatError;
  readonly toolCalls?: readonly MadeCall[];
  /** Pictures and files, each where it stands in the text. */
  readonly parts?: readonly MessagePart[];
  /** Where its turn is one of several that stand in the same place. */
  readonly branch?: Place;
}

/** One of several branches, by the generations that they begin with. */
export interface Place {
  /** The number of the one that is shown, from 0 on. */
  readonly at: number;
  readonly generationIds: readonly string[];
}

/** How a conversation stands. Immutable; a message that has not changed is the same object as before. */
export interface ChatSnapshot {
  readonly conversationId: string;
  readonly messages: readonly ChatMessage[];
  /** The user's messages whose turn comes later: `queued` on the server, `unsent` until it can be reached, or `failed`. */
  readonly waiting: readonly ChatMessage[];
  /** Whether the messages are being fetched for the first time. */
  readonly isLoading: boolean;
  /** Whether the server says that there is no such conversation, or none any more. */
  readonly isMissing: boolean;
  /** Whether a reply is on its way: sent, queued or arriving. */
  readonly isStreaming: boolean;
  /** The text so far of the reply on its way. */
  readonly streamingText: string;
  readonly error: ChatError | null;
  /** Its place in the queue; 1 is next. */
  readonly queuePlace: number | null;
  /** Of the last reply. */
  readonly usage: Usage | null;
  /** Of the reply on its way over its last seconds, else of the last one as a whole. */
  readonly tokensPerSecond: number | null;
  readonly connection: Connection;
  readonly settings: ChatSettings;
  /** What all its replies have used; null until the first has ended. */
  readonly spent: Spent | null;
  readonly title: string | null;
}

export function chatError(error: unknown): ChatError {
  if (!(error instanceof HeadraceError)) {
    return { code: 'internal', message: error instanceof Error ? error.message : String(error), retryable: false };
  }
  const { code, message, retryable, status, retryAfterMs } = error;
  return {
    code,
    message,
    retryable,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
