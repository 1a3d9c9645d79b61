import { type MessagePart, readPart, type StoredPart } from './parts.js';

/** Token counts; `estimated` where the model server gave none. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  estimated?: boolean;
}

/** Why a reply ended. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'cancelled' | 'error';

const FINISH_REASONS: ReadonlySet<unknown> = new Set<FinishReason>([
  'stop',
  'length',
  'tool_calls',
  'content_filter',
  'cancelled',
  'error',
]);

/** The reason, if it is one that this client knows. */
export function finishReason(value: unknown): FinishReason | undefined {
  return FINISH_REASONS.has(value) ? (value as FinishReason) : undefined;
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
  /** The event's id in the log, to resume after. */
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
  /** The generation whose reply it goes on with. */
  continues?: string;
}
/** What a chunk of a typed reply says beside its text. */
export interface ContentData {
  language?: string;
  /** Rows of cells; those of following chunks go on, the header is the first of them. */
  tableData?: string[][];
  imageUrl?: string;
  /** A fence's own line: text that is not for reading. */
  markup?: boolean;
}
/** A piece of the answer; `tokens` counts the deltas it joins. Of a `multimodal` one it says what it is a piece of. */
export interface ChunkEvent extends Logged {
  type: 'chunk';
  text: string;
  tokens: number;
  contentType?: string;
  data?: ContentData;
  /** What the continued reply had already. */
  given?: true;
}
/** A piece of the reasoning before the answer. */
export interface ReasoningEvent extends Logged {
  type: 'reasoning';
  text: string;
  tokens: number;
  given?: true;
}
export interface ToolCallEvent extends Logged {
  type: 'tool_call';
  call: ToolCall;
}
/** A picture that belongs to the reply here. */
export interface PartEvent extends Logged {
  type: 'part';
  part: MessagePart;
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
  | PartEvent
  | ResetEvent
  | EndEvent
  | ErrorEvent;

export type TerminalEvent = EndEvent | ErrorEvent;

export function isTerminal(event: StreamEvent): event is TerminalEvent {
  return event.type === 'end' || event.type === 'error';
}

/** A frame that this client does not understand: of a type that came later, or malformed. Its position counts. */
export interface UnknownEvent {
  type: 'unknown';
  position: string | null;
}

/** Why this reader alone may read no more: no event of the reply, which goes on. */
export interface RefusedEvent {
  type: 'refused';
  code: string;
  message: string;
  retryable: boolean;
}

function typed(frame: Record<string, unknown>): Pick<ChunkEvent, 'contentType' | 'data'> {
  if (typeof frame.contentType !== 'string') return {};
  return { contentType: frame.contentType, ...(frame.data !== undefined && { data: record(frame.data) }) };
}

/** The event in a frame of the native dialect. Never throws. */
export function parseEvent(data: string, position: string | null): StreamEvent | RefusedEvent | UnknownEvent {
  const frame = decode(data);
  const facts = record(frame.metadata);
  const ts = Date.parse(text(frame.timestamp)) || Date.now();
  if (frame.type === 'queued') return { type: 'queued', place: number(facts.position), position: null, ts };
  const unknown = { type: 'unknown', position } as const;
  const content = text(frame.content);
  const failure = { code: text(facts.code) || 'failed', message: content, retryable: facts.retryable === true };
  if (position === null) return frame.type === 'error' ? { type: 'refused', ...failure } : unknown;
  const at = { position, ts };
  switch (frame.type) {
    case 'chunk':
      if (typeof frame.content !== 'string') return unknown;
      return { type: 'chunk', ...at, ...said(content, facts), ...typed(frame) };
    case 'reasoning':
      if (typeof frame.content !== 'string') return unknown;
      return { type: 'reasoning', ...at, ...said(content, facts) };
    case 'tool_call':
      if (typeof record(facts.tool_call).index !== 'number') return unknown;
      return { type: 'tool_call', ...at, call: toolCall(record(facts.tool_call)) };
    case 'part': {
      const part = record(facts.part);
      if (part.type !== 'image' && part.type !== 'file') return unknown;
      return { type: 'part', ...at, part: readPart(part as unknown as StoredPart, 0) };
    }
    case 'start': {
      const conversationId = text(frame.conversation_id) || null;
      return {
        type: 'start',
        ...at,
        generationId: text(frame.generation_id),
        conversationId,
        model: text(facts.model),
        ...(text(facts.continues) && { continues: text(facts.continues) }),
      };
    }
    case 'reset':
      return { type: 'reset', ...at, reason: text(facts.reason) };
    case 'end': {
      const reason = text(facts.reason) || null;
      return { type: 'end', ...at, finishReason: text(facts.finish_reason), reason, usage: usage(facts.usage) };
    }
    case 'error':
      return { type: 'error', ...at, ...failure, usage: usage(facts.usage) };
    default:
      return unknown;
  }
}

function said(content: string, facts: Record<string, unknown>) {
  return { text: content, tokens: number(facts.tokens), ...(facts.given === true && { given: true as const }) };
}

/** Empty where it is no JSON object. */
function decode(data: string): Record<string, unknown> {
  try {
    return record(JSON.parse(data));
  } catch {
    return {};
  }
}

function toolCall(piece: Record<string, unknown>): ToolCall {
  return { index: number(piece.index), id: text(piece.id), name: text(piece.name), arguments: text(piece.arguments) };
}

/** The server leaves out what is zero. */
export function usage(value: unknown): Usage | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const counts: Record<string, unknown> = { ...value };
  for (const name of ['prompt_tokens', 'completion_tokens', 'total_tokens']) counts[name] = number(counts[name]);
  return counts as unknown as Usage;
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
