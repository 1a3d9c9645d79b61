import { HeadraceError } from './error.js';

/** Token counts; `estimated` where the model server gave none. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  estimated?: boolean;
}

/** A call to a tool, or a piece of one: pieces of one call share its `index`. */
export interface ToolCall {
  index: number;
  id: string;
  name: string;
  arguments: string;
}

/** A call to a tool, as far as it has arrived. */
export interface MadeCall extends ToolCall {
  /** The length of the text before it, in UTF-16 code units. */
  at: number;
}

interface Logged {
  /** The event's id in the log, to go on behind. */
  position: string;
  /** When the worker wrote it, in ms since the epoch. */
  ts: number;
}

/** It waits for a worker; 1 is next. Not kept in the log. */
export interface QueuedEvent {
  type: 'queued';
  place: number;
  position: null;
  ts: number;
}
/** A worker took it. */
export interface StartEvent extends Logged {
  type: 'start';
  generationId: string;
  conversationId: string | null;
  model: string;
}
/** A piece of the answer; `tokens` counts the deltas it joins. */
export interface ChunkEvent extends Logged {
  type: 'chunk';
  text: string;
  tokens: number;
}
/** A piece of the reasoning before the answer. */
export interface ReasoningEvent extends Logged {
  type: 'reasoning';
  text: string;
  tokens: number;
}
export interface ToolCallEvent extends Logged {
  type: 'tool_call';
  call: ToolCall;
}
/** Everything said so far is void: the answer starts over. */
export interface ResetEvent extends Logged {
  type: 'reset';
  reason: string;
}
/** The last event of a reply that ended well, or was `cancelled`. */
export interface EndEvent extends Logged {
  type: 'end';
  finishReason: string;
  /** Who cancelled: `user`, `interrupted` or `abandoned`. */
  reason: string | null;
  usage: Usage | null;
}
/** The last event of a reply that failed; what was said before still stands. */
export interface ErrorEvent extends Logged {
  type: 'error';
  code: string;
  message: string;
  retryable: boolean;
  usage: Usage | null;
}

export type StreamEvent =
  | QueuedEvent
  | StartEvent
  | ChunkEvent
  | ReasoningEvent
  | ToolCallEvent
  | ResetEvent
  | EndEvent
  | ErrorEvent;

export type TerminalEvent = EndEvent | ErrorEvent;

export function isTerminal(event: StreamEvent): event is TerminalEvent {
  return event.type === 'end' || event.type === 'error';
}

/** A frame whose type came after this client: its position counts, its content is not understood. */
export interface UnknownEvent {
  type: 'unknown';
  position: string;
}

/**
 * The event in a frame of the native dialect; null where a frame is neither understood nor logged.
 *
 * Throws `invalid_frame` on what is not a frame at all.
 */
export function parseEvent(data: string, position: string | null): StreamEvent | UnknownEvent | null {
  const frame = decode(data);
  const facts = record(frame.metadata);
  const ts = Date.parse(text(frame.timestamp)) || Date.now();
  if (frame.type === 'queued') return { type: 'queued', place: number(facts.position), position: null, ts };
  if (position === null) return null;
  const at = { position, ts };
  const content = text(frame.content);
  switch (frame.type) {
    case 'chunk':
      return { type: 'chunk', ...at, text: content, tokens: number(facts.tokens) };
    case 'reasoning':
      return { type: 'reasoning', ...at, text: content, tokens: number(facts.tokens) };
    case 'tool_call':
      return { type: 'tool_call', ...at, call: toolCall(record(facts.tool_call)) };
    case 'start': {
      const conversationId = text(frame.conversation_id) || null;
      return {
        type: 'start',
        ...at,
        generationId: text(frame.generation_id),
        conversationId,
        model: text(facts.model),
      };
    }
    case 'reset':
      return { type: 'reset', ...at, reason: text(facts.reason) };
    case 'end': {
      const reason = text(facts.reason) || null;
      return { type: 'end', ...at, finishReason: text(facts.finish_reason), reason, usage: usage(facts.usage) };
    }
    case 'error': {
      const failure = { code: text(facts.code) || 'failed', message: content, retryable: facts.retryable === true };
      return { type: 'error', ...at, ...failure, usage: usage(facts.usage) };
    }
    default:
      return { type: 'unknown', position };
  }
}

function decode(data: string): Record<string, unknown> {
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch (cause) {
    throw new HeadraceError(
      'The server sent a frame that is not JSON.',
      { code: 'invalid_frame', retryable: false },
      { cause },
    );
  }
  if (typeof record(frame).type === 'string') return record(frame);
  throw new HeadraceError('The server sent a frame without a type.', { code: 'invalid_frame', retryable: false });
}

function toolCall(piece: Record<string, unknown>): ToolCall {
  return { index: number(piece.index), id: text(piece.id), name: text(piece.name), arguments: text(piece.arguments) };
}

/** The server leaves out what is zero. */
export function usage(value: unknown): Usage | null {
  if (typeof value !== 'object' || value === null) return null;
  return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, ...value };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
