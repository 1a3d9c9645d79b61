/** What is a formula in a reply, and what only looks like one. */

/** `\(…\)`, `\[…\]`, `$…$`, `$$…$$` */
export type Marks = '(' | '[' | '$' | '$$';

const TEX = /[\\^_={}]/;
/** Signs alone say nothing. */
const LETTER = /[\p{L}\p{N}]/u;
/** As in `$HOME_A:$HOME_B`, the names of variables. */
const VARIABLES = /[:;,=/&+(-]$|^[A-Z]{2,}_[A-Z]/;
const SIGNS = /[\\^_={}+*/<>|&]/;
/** What nobody multiplies: words, and whatever is written in ideographs or syllables. */
const WORDS =
  /\p{Ll}{3}|\p{L}{4}|\p{L}{2}\s+\p{L}{2}|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const COMMAND = /\\[a-zA-Z]{2}|[\w)}]\^/;

/**
 * Whether *content* between *marks* is a formula; *isDisplay*: with lines of its own.
 *
 * A dollar alone is mostly money, and an escaped bracket in a line of text mostly a bracket.
 */
export function isFormula(marks: Marks, content: string, isDisplay = false): boolean {
  if (!LETTER.test(content)) return false;
  if (marks === '$') return TEX.test(content) && !VARIABLES.test(content);
  if (marks === '[' && !isDisplay) return COMMAND.test(content);
  if (!SIGNS.test(content) && WORDS.test(content)) return false;
  return !(marks === '[' && /^[\s\d.,]*$/.test(content));
}

const MIGHT_HOLD = /\\[([]|\$\$|\$[^$\n]*[\\^_={}][^$\n]*\$/;

/** Whether it is worth while to look for formulas in *markdown* with the parser. */
export function mightHoldFormulas(markdown: string): boolean {
  return MIGHT_HOLD.test(markdown);
}

/** A display formula begins a line, inside quotes and lists too, and its end ends one. */
const OPENING = /^(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t])))*[ \t]*(\\\[|\$\$)(.*)$/;
const CLOSING = { '\\[': /(?<!\\)\\\]/, $$: /\$\$/ };
/** Longer formulas are none: somebody has forgotten to close one. */
const MOST_LINES = 200;

/** The lines that display formulas in *markdown* begin in, counted from 1, with those that they end in. */
export function displayFormulas(markdown: string): ReadonlyMap<number, number> {
  return scanned(markdown).found;
}

/** Whether a display formula in *markdown* may still be going on at its end. */
export function isInDisplay(markdown: string): boolean {
  return scanned(markdown).isUnfinished;
}

function scanned(markdown: string): { found: Map<number, number>; isUnfinished: boolean } {
  const found = new Map<number, number>();
  let isUnfinished = false;
  const lines = /\\\[|\$\$/.test(markdown) ? markdown.split(/\r\n?|\n/) : [];
  for (let first = 0; first < lines.length; first += 1) {
    const last = endOf(lines, first);
    if (last === 'none') continue;
    if (last === 'unknown') {
      isUnfinished = true;
      continue;
    }
    found.set(first + 1, last + 1);
    first = last;
  }
  return { found, isUnfinished };
}

/** The index of the line that the formula beginning in line *first* ends in. */
function endOf(lines: readonly string[], first: number): number | 'none' | 'unknown' {
  const [, opening, rest = ''] = OPENING.exec(lines[first] ?? '') ?? [];
  if (opening !== '\\[' && opening !== '$$') return 'none';
  let content = '';
  for (let at = first; at < lines.length; at += 1) {
    if (at >= first + MOST_LINES) return 'none';
    const line = at === first ? rest : (lines[at] ?? '');
    const closing = CLOSING[opening].exec(line);
    if (!closing) {
      content += `${line}\n`;
      continue;
    }
    content += line.slice(0, closing.index);
    const isLineEnd = line.slice(closing.index + closing[0].length).trim() === '';
    return isLineEnd && isFormula(opening === '$$' ? '$$' : '[', content, true) ? at : 'none';
  }
  return 'unknown';
}
