/** The page's words in the language that the browser asks for. */
import { en, type Words } from './en.ts';
import { zh } from './zh.ts';

export type { Words };

// A server that renders a page in advance has no language of its own.
const chosen: Words = preferred(globalThis.navigator?.languages ?? []);

function preferred(languages: readonly string[]): Words {
  for (const language of languages) {
    if (/^zh\b/i.test(language)) return zh;
    if (/^en\b/i.test(language)) return en;
  }
  return en;
}

export function useWords(): Words {
  return chosen;
}
