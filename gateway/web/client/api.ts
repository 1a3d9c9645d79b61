import type { Usage } from './events.js';
import type { MessagePart, StoredPart } from './parts.js';
import type { ChatSettings, StoredSettings } from './settings.js';
import type { SpeechAbilities } from './speech.js';

/** `POST /api/chat/stream` */
export interface ChatRequest {
  message: string;
  /** Pictures and files after it, as `upload` gives them. */
  parts?: readonly MessagePart[] | undefined;
  conversationId?: string | undefined;
  model?: string | undefined;
  maxTokens?: number | undefined;
  /** What to do when the conversation is being answered already. */
  onBusy?: 'reject' | 'interrupt' | 'queue' | undefined;
  /** Whether the generation goes on when nobody reads it. */
  onDisconnect?: 'continue' | 'cancel' | undefined;
  /** Chunks say what they are pieces of: text, code, a table, an image. */
  multimodal?: boolean | undefined;
  /** How this conversation is answered from now on. */
  settings?: ChatSettings | undefined;
  /** Cut the conversation back to before this generation's turn. */
  replaces?: string | undefined;
  /** The same key and request give the same reply again; without one, a new one is made up. */
  idempotencyKey?: string | undefined;
}

/** `POST /api/chat/stream`, to have a reply go on that was cut for its length. */
export interface ContinueRequest {
  conversationId: string;
  /** The generation whose reply it is: the conversation's last message. */
  continues: string;
  /** Otherwise the one that gave the reply. */
  model?: string | undefined;
  maxTokens?: number | undefined;
  onDisconnect?: 'continue' | 'cancel' | undefined;
  idempotencyKey?: string | undefined;
}

/** What came of a cancel request; `cancelling`: its worker has not answered yet. */
export interface Receipt {
  generation_id: string;
  status: 'cancelled' | 'already_ended' | 'cancelling';
  state: string;
  position: string | null;
  finish_reason: string | null;
  usage: Usage | null;
}

/** How a generation stands. Times are ms since the epoch. */
export interface GenerationStatus {
  generation_id: string;
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
  conversation_id: string | null;
  model: string;
  text: string;
  /** Its pictures. */
  parts?: StoredPart[];
  position: string | null;
  finish_reason: string | null;
  error: { code: string; message: string } | null;
  usage: Usage | null;
  attempts: number;
  created_ms: number;
  started_ms: number | null;
  first_token_ms: number | null;
  ended_ms: number | null;
}

/** A conversation's headline. */
export interface Conversation {
  id: string;
  title: string;
  created_ms: number;
  updated_ms: number;
  /** The generation that answers right now. */
  active: string | null;
  /** How it is answered; absent where nothing in particular is said. */
  settings?: StoredSettings;
}

/** A conversation in a list. */
export interface ListedConversation extends Conversation {
  /** Of a search: the line that the text was found in, where that is a message's, and which message that is. */
  snippet?: string;
  hit?: { generation_id: string | null; role: StoredMessage['role'] };
}

export interface ConversationPage {
  conversations: ListedConversation[];
  /** What the next page goes on from; there is none where the list ends. */
  next?: string;
  /** The search ended before it had seen everything. */
  incomplete?: boolean;
}

/** One message of a conversation as the server keeps it. */
export interface StoredMessage {
  role: 'user' | 'assistant' | 'system';
  content: string;
  ts: number;
  state?: 'done' | 'failed' | 'cancelled';
  finish_reason?: string;
  generation_id?: string;
  model?: string;
  usage?: Usage;
  reasoning?: string;
  /** How long the reasoning took. */
  reasoning_ms?: number;
  tool_calls?: StoredCall[];
  parts?: StoredPart[];
  error?: { code: string; message: string };
}

/** A call to a tool that a reply made. */
export interface StoredCall {
  id: string;
  name: string;
  arguments: string;
  /** The number of characters (Unicode code points) of `content` before it; without one it came after all of them. */
  at?: number;
}

/** Turns that stand in the same place, by the generations that answer them, oldest first. */
export interface Branching {
  /** The turn before it; null at the beginning. */
  after: string | null;
  /** The one of them that is among the messages. */
  shown: string | null;
  generation_ids: string[];
}

/** What is said from a turn on, on a branch that is not shown. */
export interface Branch {
  after: string | null;
  generation_id: string;
  messages: StoredMessage[];
}

/** What all replies of a conversation have used, those included that are not shown. */
export interface Spent {
  usage: Usage;
  /** By the prices of the models that have some. */
  cost?: number | null;
}

export interface ConversationDetail {
  conversation: Conversation;
  spent?: Spent;
  messages: StoredMessage[];
  /** Where the conversation branches; absent where nowhere. */
  branchings?: Branching[];
  /** Of a conversation that was asked for with them. */
  branches?: Branch[];
}

/** A read-only link to a conversation. Times are ms since the epoch. */
export interface Share {
  id: string;
  created_ms: number;
  expires_ms: number;
}

/** A new one. Its secret is told once: whoever has both reads the conversation until the link ends. */
export interface NewShare extends Share {
  secret: string;
  /** On the page that the server serves: `/s/{id}#{secret}`. */
  path: string;
}

export interface Model {
  id: string;
  owned_by?: string;
  created?: number;
}

/** `GET /api/heartbeat` */
export interface Heartbeat {
  status: string;
  timestamp: string;
  heartbeat_ms: number;
  /** The longest message in characters, as code points; a server from before it was told says nothing. */
  max_message_chars?: number;
  /** What can be spoken; null where nobody speaks. */
  speech?: SpeechAbilities | null;
}
