/** What is written and not sent, for each conversation and each message that is edited; it survives switching and reloading. */
import { useEffect, useRef, useState } from 'react';
import type { ChatMessage } from '../../client/index.js';

const PREFIX = 'headrace.draft.';
/** Drafts that are kept; the oldest go first. */
const MOST = 100;

const fields = new Map<string, (change: (text: string) => string) => void>();

/** Where a message's draft is when it is edited. */
export function editKey({ generationId, id }: ChatMessage): string {
  return `edit.${generationId ?? id}`;
}

/** The draft of *key*, which may change its name without changing its text. */
export function useDraft(key: string, fallback = ''): [string, (text: string) => void] {
  const [text, setText] = useState(() => loaded(key) ?? fallback);
  const named = useRef(key);
  const latest = useRef(text);
  latest.current = text;
  const write = (next: string) => {
    latest.current = next;
    setText(next);
    save(key, next === fallback ? '' : next);
  };
  const change = useRef(write);
  change.current = write;
  useEffect(() => {
    if (named.current !== key) {
      save(named.current, '');
      save(key, latest.current);
      named.current = key;
    }
    fields.set(key, (next) => change.current(next(latest.current)));
    return () => void fields.delete(key);
  }, [key]);
  return [text, write];
}

/** Put *text* after what is written in *key*. */
export function putBack(key: string, text: string): void {
  const joined = (before: string) => (before.trim() ? `${before.trimEnd()}\n\n${text}` : text);
  const field = fields.get(key);
  if (field) field(joined);
  else save(key, joined(loaded(key) ?? ''));
}

export function forget(key: string): void {
  save(key, '');
}

function loaded(key: string): string | null {
  try {
    return parsed(localStorage.getItem(PREFIX + key))?.[1] ?? null;
  } catch {
    return null;
  }
}

function save(key: string, text: string): void {
  try {
    const isNew = localStorage.getItem(PREFIX + key) === null;
    if (text === '') localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify([Date.now(), text]));
    if (isNew && text !== '') prune();
  } catch {
    // No storage, or it is full: the draft lives as long as its field.
  }
}

function prune(): void {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  if (keys.length <= MOST) return;
  const age = (key: string) => parsed(localStorage.getItem(key))?.[0] ?? 0;
  for (const key of keys.sort((a, b) => age(a) - age(b)).slice(0, keys.length - MOST)) localStorage.removeItem(key);
}

function parsed(stored: string | null): [number, string] | null {
  try {
    const value: unknown = JSON.parse(stored ?? 'null');
    return Array.isArray(value) && typeof value[1] === 'string' ? [Number(value[0]), value[1]] : null;
  } catch {
    return null;
  }
}
