import type { Branching, StoredCall, StoredMessage } from './api.js';
import { finishReason, type MadeCall, usage } from './events.js';
import type { ChatMessage, Place } from './messages.js';
import { type MessagePart, readParts } from './parts.js';

/**
 * The server's messages in place of ours. Ids stay, and what has not changed stays the same object;
 * what the server does not keep stays too, and so do messages it never got.
 */
export function merge(
  ours: readonly ChatMessage[],
  stored: readonly StoredMessage[],
  branchings: readonly Branching[] = [],
): readonly ChatMessage[] {
  const places = new Map(branchings.map((each) => [each.shown, placeOf(each)]));
  const known = new Map(ours.filter((message) => !isUnsent(message)).map((message) => [key(message), message]));
  const seen = new Set<string>();
  const arrived: ChatMessage[] = [];
  const merged = stored.map((message) => {
    const id = unique(storedId(message), seen);
    const turn = message.generation_id && `${message.generation_id}:${message.role}`;
    const before = (turn && known.get(turn)) || known.get(id);
    const now = adopt(message, id, before, places.get(message.generation_id ?? ''));
    if (!before) arrived.push(now);
    return now;
  });
  const all = withUnsent(merged, ours, arrived);
  return all.length === ours.length && all.every((message, index) => message === ours[index]) ? ours : all;
}

/** The messages with a reply after the message it answers, or in place of the one that it *continues*. */
export function inPlace(
  messages: readonly ChatMessage[],
  reply: ChatMessage,
  continues: string | null = null,
): readonly ChatMessage[] {
  const cut = continues
    ? messages.findLastIndex((each) => each.role === 'assistant' && each.generationId === continues)
    : -1;
  const before = messages[cut];
  if (before) {
    // Until its text has come, which the stream begins with, it is there already.
    const said = reply.content === '' ? { content: before.content } : {};
    const thought = reply.reasoning === undefined ? reasoningOf(before) : {};
    return messages.with(cut, { ...reply, ...said, ...thought, id: before.id });
  }
  const asked = reply.generationId
    ? messages.findLastIndex(({ role, generationId }) => role === 'user' && generationId === reply.generationId)
    : -1;
  return asked < 0 ? [...messages, reply] : messages.toSpliced(asked + 1, 0, reply);
}

/** A turn that was continued is that of the generation which did. */
export function inTurn(
  messages: readonly ChatMessage[],
  { continues, generationId }: { continues: string | null; generationId: string | null },
): readonly ChatMessage[] {
  if (continues === null || generationId === null) return messages;
  return messages.map((each) => (each.generationId === continues ? { ...each, generationId } : each));
}

function reasoningOf({ reasoning, reasoningMs }: ChatMessage): Partial<ChatMessage> {
  return { ...(reasoning && { reasoning }), ...(reasoningMs !== undefined && { reasoningMs }) };
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

/** Messages that the server never got stay after the one they followed. */
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

function placeOf({ shown, generation_ids: generationIds }: Branching): Place {
  return { at: generationIds.indexOf(shown ?? ''), generationIds };
}

function adopt(
  stored: StoredMessage,
  id: string,
  before: ChatMessage | undefined,
  branch: Place | undefined,
): ChatMessage {
  const used = usage(stored.usage);
  const reason = finishReason(stored.finish_reason) ?? before?.finishReason;
  const now: ChatMessage = {
    ...(before && reasoningOf(before)),
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
    ...(stored.parts && { parts: readParts(stored.parts, stored.content) }),
    ...(stored.error && { error: before?.error ?? { ...stored.error, retryable: true } }),
    ...(branch && { branch }),
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
  return arrived.some((message) => message.role === 'user' && isSaid(message, unsent));
}

function isSaid(arrived: ChatMessage, { content, parts = [] }: ChatMessage): boolean {
  const blobs = (of: readonly MessagePart[]) => of.map(({ blob }) => blob).join();
  return arrived.content === content.trim() && blobs(arrived.parts ?? []) === blobs(parts);
}

function same(a: ChatMessage, b: ChatMessage): boolean {
  const facts = ['content', 'state', 'finishReason', 'generationId', 'model', 'reasoning', 'reasoningMs'] as const;
  if (facts.some((fact) => a[fact] !== b[fact])) return false;
  const parts = (of: ChatMessage) => JSON.stringify([of.usage, of.error, of.toolCalls, of.parts, of.branch]);
  return parts(a) === parts(b);
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
