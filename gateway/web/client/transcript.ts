import type { StoredCall, StoredMessage } from './api.js';
import { finishReason, type MadeCall, usage } from './events.js';
import type { ChatMessage } from './messages.js';

/**
 * The server's messages in place of ours. Ids stay, and what has not changed stays the same object;
 * what the server does not keep stays too, and so do messages it never got.
 */
export function merge(ours: readonly ChatMessage[], stored: readonly StoredMessage[]): readonly ChatMessage[] {
  const known = new Map(ours.filter((message) => !isUnsent(message)).map((message) => [key(message), message]));
  const seen = new Set<string>();
  const arrived: ChatMessage[] = [];
  const merged = stored.map((message) => {
    const id = unique(storedId(message), seen);
    const turn = message.generation_id && `${message.generation_id}:${message.role}`;
    const before = (turn && known.get(turn)) || known.get(id);
    const now = adopt(message, id, before);
    if (!before) arrived.push(now);
    return now;
  });
  const all = withUnsent(merged, ours, arrived);
  return all.length === ours.length && all.every((message, index) => message === ours[index]) ? ours : all;
}

/** The messages with a reply behind the message it answers. */
export function inPlace(messages: readonly ChatMessage[], reply: ChatMessage): readonly ChatMessage[] {
  const asked = reply.generationId
    ? messages.findLastIndex(({ role, generationId }) => role === 'user' && generationId === reply.generationId)
    : -1;
  return asked < 0 ? [...messages, reply] : messages.toSpliced(asked + 1, 0, reply);
}

/** A message of ours that the server has not accepted. */
export function isUnsent(message: ChatMessage): boolean {
  return message.role === 'user' && message.generationId === undefined && message.state !== 'done';
}

/** The message that *assistant* answers. */
export function question(messages: readonly ChatMessage[], assistant: ChatMessage): ChatMessage | undefined {
  const before = messages.slice(0, messages.indexOf(assistant));
  const users = before.filter((message) => message.role === 'user');
  return users.findLast((user) => user.generationId === assistant.generationId) ?? users.at(-1);
}

/** Messages that the server never got stay behind the one they followed. */
function withUnsent(
  merged: readonly ChatMessage[],
  ours: readonly ChatMessage[],
  arrived: readonly ChatMessage[],
): readonly ChatMessage[] {
  let all = merged;
  for (const [index, message] of ours.entries()) {
    if (!isUnsent(message) || isAmong(arrived, message)) continue;
    const anchor = all.findIndex(({ id }) => id === ours[index - 1]?.id);
    all = anchor < 0 ? [...all, message] : all.toSpliced(anchor + 1, 0, message);
  }
  return all;
}

function adopt(stored: StoredMessage, id: string, before: ChatMessage | undefined): ChatMessage {
  const used = usage(stored.usage);
  const reason = finishReason(stored.finish_reason) ?? before?.finishReason;
  const now: ChatMessage = {
    ...(before?.reasoning && { reasoning: before.reasoning }),
    ...(before?.reasoningMs !== undefined && { reasoningMs: before.reasoningMs }),
    // What was seen of a reply that went on without us may have been voided since.
    ...(before?.toolCalls && before.state === (stored.state ?? 'done') && { toolCalls: before.toolCalls }),
    ...(before?.usage && { usage: before.usage }),
    ...(before?.model && { model: before.model }),
    id: before?.id ?? id,
    role: stored.role,
    content: stored.content,
    createdAt: before?.createdAt ?? stored.ts,
    state: stored.state ?? 'done',
    ...(reason && { finishReason: reason }),
    ...(stored.generation_id && { generationId: stored.generation_id }),
    ...(stored.model && { model: stored.model }),
    ...(used && { usage: used }),
    ...(stored.reasoning && { reasoning: stored.reasoning }),
    ...(stored.reasoning_ms !== undefined && { reasoningMs: stored.reasoning_ms }),
    ...(stored.tool_calls && { toolCalls: calls(stored.tool_calls, stored.content) }),
    ...(stored.error && { error: before?.error ?? { ...stored.error, retryable: true } }),
  };
  return before && same(before, now) ? before : now;
}

function calls(stored: readonly StoredCall[], content: string): readonly MadeCall[] {
  return stored.map(({ at, ...call }, index) => ({
    ...call,
    index,
    at: at === undefined ? content.length : [...content].slice(0, at).join('').length,
  }));
}

/** Whether one that we believe unsent has arrived after all: its request was accepted, the answer lost. */
function isAmong(arrived: readonly ChatMessage[], unsent: ChatMessage): boolean {
  return arrived.some((message) => message.role === 'user' && message.content === unsent.content.trim());
}

function same(a: ChatMessage, b: ChatMessage): boolean {
  const facts = ['content', 'state', 'finishReason', 'generationId', 'model', 'reasoning', 'reasoningMs'] as const;
  if (facts.some((fact) => a[fact] !== b[fact])) return false;
  return JSON.stringify([a.usage, a.error, a.toolCalls]) === JSON.stringify([b.usage, b.error, b.toolCalls]);
}

function key(message: ChatMessage): string {
  return message.generationId ? `${message.generationId}:${message.role}` : message.id;
}

function storedId(message: StoredMessage): string {
  return `${message.generation_id ?? message.ts}:${message.role}`;
}

function unique(id: string, seen: Set<string>): string {
  let free = id;
  for (let n = 2; seen.has(free); n += 1) free = `${id}:${n}`;
  seen.add(free);
  return free;
}
