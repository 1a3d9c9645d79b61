/** Where a sentence that is heard stands in what is drawn. */

const WORD = /[\p{L}\p{N}]+/gu;
/** What is passed over when a reply is spoken: a few words stand for it. */
const PASSED_OVER = /^\s*(?:```|~~~|\|)/;
const ADDRESS = /\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+"[^"]*")?\)|https?:\/\/\S+/g;

/** Finds the sentence of *text* between these characters (code points), however it is drawn; null for none. */
export function patternOfSentence(text: string, { start, end }: { start: number; end: number }): RegExp | null {
  const written = [...text].slice(start, end).join('');
  if (PASSED_OVER.test(written)) return null;
  const words = written.replace(ADDRESS, ' ').match(WORD);
  return words && new RegExp(words.join('[^\\p{L}\\p{N}]*?'), 'gu');
}
