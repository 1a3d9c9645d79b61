/** The page's words, in the language that its reader has chosen, else in the one that the browser asks for. */
import { useSyncExternalStore } from 'react';
import { en, type Words } from './en.ts';

export type { Words };
export type Language = 'auto' | 'en' | 'zh';

const KEY = 'headrace.language';
const listeners = new Set<() => void>();

let language: Language = remembered();
// A server that renders a page in advance has no language of its own.
let words: Words = en;

/** Resolves once the words are here: English comes along, any other language by itself. */
export const wordsReady: Promise<void> = load();

async function load(): Promise<void> {
  const wanted = wordsOf(language);
  // Words that do not come leave those that are there.
  const found =
    wanted === 'en'
      ? en
      : await import('./zh.ts').then(
          ({ zh }) => zh,
          () => words,
        );
  if (wordsOf(language) !== wanted || words === found) return;
  words = found;
  for (const listener of listeners) listener();
}

function remembered(): Language {
  try {
    const kept = globalThis.localStorage?.getItem(KEY);
    return kept === 'en' || kept === 'zh' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

function wordsOf(chosen: Language): 'en' | 'zh' {
  return chosen === 'auto' ? preferred(globalThis.navigator?.languages ?? []) : chosen;
}

function preferred(languages: readonly string[]): 'en' | 'zh' {
  for (const language of languages) {
    if (/^zh\b/i.test(language)) return 'zh';
    if (/^en\b/i.test(language)) return 'en';
  }
  return 'en';
}

export function chooseLanguage(chosen: Language): void {
  language = chosen;
  try {
    if (chosen === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // No storage: it holds until the page is closed.
  }
  for (const listener of listeners) listener();
  void load();
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
