/** The words of what is loaded later, in the language of the others. */
import { type FurtherWords, furtherEn } from './further.en.ts';
import { furtherZh } from './further.zh.ts';
import { useWords } from './words.ts';

export type { FurtherWords };

export function useFurtherWords(): FurtherWords {
  return useWords().language === 'en' ? furtherEn : furtherZh;
}
