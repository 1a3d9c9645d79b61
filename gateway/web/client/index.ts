export type * from './api.js';
export { type CallOptions, type ClientOptions, HeadraceClient, type PageOptions, type Seen } from './client.js';
export { type ErrorFacts, HeadraceError } from './error.js';
export type {
  ChunkEvent,
  ContentData,
  EndEvent,
  ErrorEvent,
  FinishReason,
  MadeCall,
  PartEvent,
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
export type { ChatError, ChatMessage, ChatSnapshot, MessageState, Place, SendOptions } from './messages.js';
export type { Connection } from './network.js';
export type { SessionOptions } from './options.js';
export { type Outbox, type OutboxEntry, outbox } from './outbox.js';
export { inOrder, type MessagePart, type StoredPart } from './parts.js';
export { type Announcement, CHANNEL } from './presence.js';
export type { Reply, StreamOptions, Timing, UnknownFrame } from './reply.js';
export {
  Room,
  type RoomConnection,
  type RoomError,
  type RoomOptions,
  type RoomSnapshot,
} from './room.js';
export type { RoomEntry, RoomEvent, RoomMember, RoomRole } from './roomEvents.js';
export { ChatSession } from './session.js';
export type { ChatSettings, StoredSettings } from './settings.js';
export type { SpeechAbilities, SpeechEvent, SpeechOptions, SpokenSentence } from './speech.js';
export { question } from './transcript.js';
export type { RoomContent, RoomMessage } from './transcriptOfRoom.js';
