/** The ways models write formulas, brought to the one that the parser knows: `$$…$$`. */

const CODE_SPAN = /(`+)(?:[^`]|(?!\1)`)*?\1/g;
const DISPLAY = /\\\[([\s\S]+?)\\\]/g;
const INLINE = /\\\((.+?)\\\)/g;
/** A dollar alone is mostly money: what it encloses must look like a formula. */
const DOLLARS = /(?<![\\$\w])\$(?![\s$])([^$\n]*?[\\^_={}][^$\n]*?)(?<![\s\\])\$(?![\d$])/g;
const MIGHT_BE = /\$|\\\(|\\\[/;

export function withFormulas(markdown: string): { markdown: string; hasFormulas: boolean } {
  if (!MIGHT_BE.test(markdown)) return { markdown, hasFormulas: false };
  let changed = '';
  let at = 0;
  for (const span of markdown.matchAll(CODE_SPAN)) {
    changed += rewritten(markdown.slice(at, span.index)) + span[0];
    at = span.index + span[0].length;
  }
  changed += rewritten(markdown.slice(at));
  return { markdown: changed, hasFormulas: changed.includes('$$') };
}

function rewritten(text: string): string {
  return text
    .replace(DISPLAY, (_, formula: string) => `\n$$\n${formula.trim()}\n$$\n`)
    .replace(INLINE, (_, formula: string) => `$$${formula.trim()}$$`)
    .replace(DOLLARS, (_, formula: string) => `$$${formula}$$`);
}
