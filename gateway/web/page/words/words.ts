/** The page's words, in the language that its reader has chosen, else in the one that the browser asks for. */
import { useSyncExternalStore } from 'react';
import { en, type Words } from './en.ts';
import { zh } from './zh.ts';

export type { Words };
export type Language = 'auto' | 'en' | 'zh';

const KEY = 'headrace.language';
const ALL: Record<Exclude<Language, 'auto'>, Words> = { en, zh };
const listeners = new Set<() => void>();

let language: Language = remembered();
// A server that renders a page in advance has no language of its own.
let words = wordsOf(language);

function remembered(): Language {
  try {
    const kept = globalThis.localStorage?.getItem(KEY);
    return kept === 'en' || kept === 'zh' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

function wordsOf(chosen: Language): Words {
  return chosen === 'auto' ? preferred(globalThis.navigator?.languages ?? []) : ALL[chosen];
}

function preferred(languages: readonly string[]): Words {
  for (const language of languages) {
    if (/^zh\b/i.test(language)) return zh;
    if (/^en\b/i.test(language)) return en;
  }
  return en;
}

export function chooseLanguage(chosen: Language): void {
  language = chosen;
  words = wordsOf(chosen);
  try {
    if (chosen === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // No storage: it holds until the page is closed.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useWords(): Words {
  return useSyncExternalStore(
    subscribe,
    () => words,
    () => words,
  );
}

export function useLanguage(): Language {
  return useSyncExternalStore(
    subscribe,
    () => language,
    () => language,
  );
}
