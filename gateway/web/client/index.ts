export type * from './api.js';
export { type CallOptions, type ClientOptions, HeadraceClient, type Seen } from './client.js';
export { type ErrorFacts, HeadraceError } from './error.js';
export type {
  ChunkEvent,
  EndEvent,
  ErrorEvent,
  MadeCall,
  QueuedEvent,
  ReasoningEvent,
  ResetEvent,
  StartEvent,
  StreamEvent,
  TerminalEvent,
  ToolCall,
  ToolCallEvent,
  Usage,
} from './events.js';
export { isTerminal } from './events.js';
export type { ChatError, ChatMessage, ChatSnapshot, MessageState } from './messages.js';
export { type Announcement, CHANNEL } from './presence.js';
export type { Connection, Reply, StreamOptions, Timing, UnknownFrame } from './reply.js';
export { ChatSession, type SendOptions, type SessionOptions } from './session.js';
