import {
  type FinishReason,
  finishReason,
  isTerminal,
  type MadeCall,
  type StreamEvent,
  type ToolCall,
  type Usage,
  usage,
} from './events.js';
import type { ChatError, ChatMessage, MessageState } from './messages.js';
import type { MessagePart } from './parts.js';
import { Rate } from './rate.js';
import { uuid } from './uuid.js';

/** A reply on its way: events in, the assistant's message out. Costs the same for every delta, however long the text. */
export class Turn {
  readonly id: string;
  readonly rate = new Rate();
  readonly reading = new AbortController();
  readonly #createdAt = Date.now();
  /** The generation whose reply it goes on with. */
  continues: string | null;
  /** Whether something was said that no continued reply had. */
  isBegun = false;
  generationId: string | null;
  state: MessageState = 'sending';
  text = '';
  queuePlace: number | null = null;
  usage: Usage | null = null;
  error: ChatError | null = null;
  /** It may go on: we have only lost sight of it. */
  isLost = false;
  #model: string | null = null;
  #finishReason: FinishReason | undefined;
  #reasoning = '';
  #reasoningMs = 0;
  /** When the reasoning that is going on began. */
  #reasoningSince: number | null = null;
  #parts: readonly MessagePart[] = [];
  #toolCalls: readonly MadeCall[] = [];
  #message: ChatMessage | null = null;

  constructor(generationId: string | null, id?: string, continues: string | null = null) {
    this.generationId = generationId;
    this.continues = continues;
    this.id = id ?? (generationId ? `${generationId}:assistant` : uuid());
  }

  get ended(): boolean {
    return this.state === 'done' || this.state === 'failed' || this.state === 'cancelled';
  }

  apply(event: StreamEvent): void {
    this.#message = null;
    if (event.type !== 'queued') this.queuePlace = null;
    if (event.type !== 'queued') this.#time(event.type === 'reasoning', event.ts);
    if (event.type === 'tool_call' || event.type === 'part' || ('text' in event && !event.given)) this.isBegun = true;
    if (!isTerminal(event)) this.state = event.type === 'queued' ? 'queued' : 'streaming';
    switch (event.type) {
      case 'queued':
        this.queuePlace = event.place;
        break;
      case 'start':
        this.#model = event.model || null;
        this.continues = event.continues ?? this.continues;
        break;
      case 'chunk':
        this.text += event.text;
        this.rate.add(event.ts, event.tokens);
        break;
      case 'reasoning':
        this.#reasoning += event.text;
        this.rate.add(event.ts, event.tokens);
        break;
      case 'tool_call':
        this.#toolCalls = joined(this.#toolCalls, event.call, this.text.length);
        break;
      case 'part':
        this.#parts = [...this.#parts, { ...event.part, at: this.text.length }];
        break;
      case 'reset':
        this.text = '';
        this.#reasoning = '';
        this.#parts = [];
        this.#reasoningMs = 0;
        this.#toolCalls = [];
        break;
      case 'end':
        this.usage = event.usage;
        this.state = event.finishReason === 'cancelled' ? 'cancelled' : 'done';
        this.#finishReason = finishReason(event.finishReason);
        break;
      case 'error':
        this.usage = event.usage;
        this.fail({ code: event.code, message: event.message, retryable: event.retryable });
    }
  }

  #time(isReasoning: boolean, ts: number): void {
    if (isReasoning) this.#reasoningSince ??= ts;
    else if (this.#reasoningSince !== null) {
      this.#reasoningMs += Math.max(0, ts - this.#reasoningSince);
      this.#reasoningSince = null;
    }
  }

  accepted(generationId: string): void {
    this.#message = null;
    this.generationId = generationId;
  }

  /** How it ended, from another source than its stream. */
  settle(state: MessageState, text?: string, used?: Usage | null, reason?: string | null): void {
    this.#message = null;
    this.state = state;
    this.#finishReason = finishReason(reason);
    this.queuePlace = null;
    if (text !== undefined) this.text = text;
    this.usage = usage(used) ?? this.usage;
  }

  fail(error: ChatError): void {
    this.settle('failed', undefined, undefined, 'error');
    this.error = error;
  }

  lose(error: ChatError): void {
    this.fail(error);
    this.#finishReason = undefined;
    this.isLost = error.retryable;
  }

  /** The same object until something changes. */
  get message(): ChatMessage {
    this.#message ??= {
      id: this.id,
      role: 'assistant',
      content: this.text,
      createdAt: this.#createdAt,
      state: this.state,
      ...(this.#finishReason && { finishReason: this.#finishReason }),
      ...(this.#reasoning && { reasoning: this.#reasoning }),
      ...(this.#reasoning && this.#reasoningSince === null && { reasoningMs: this.#reasoningMs }),
      ...(this.generationId && { generationId: this.generationId }),
      ...(this.#model && { model: this.#model }),
      ...(this.usage && { usage: this.usage }),
      ...(this.error && { error: this.error }),
      ...(this.#parts.length > 0 && { parts: this.#parts }),
      ...(this.#toolCalls.length > 0 && { toolCalls: this.#toolCalls }),
    };
    return this.#message;
  }
}

function joined(calls: readonly MadeCall[], piece: ToolCall, at: number): readonly MadeCall[] {
  const known = calls.find((call) => call.index === piece.index);
  if (!known) return [...calls, { ...piece, at }];
  const whole = {
    at: known.at,
    index: known.index,
    id: known.id || piece.id,
    name: known.name + piece.name,
    arguments: known.arguments + piece.arguments,
  };
  return calls.map((call) => (call === known ? whole : call));
}
