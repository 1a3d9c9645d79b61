/** What is added to a block's elements once they are inert: the direction of each, and the caret. */

export interface HtmlNode {
  type: string;
  tagName?: string;
  value?: string;
  properties?: Record<string, unknown>;
  children?: HtmlNode[];
}

/** Each says itself in which direction it is read. */
const TEXTS = new Set(['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'li', 'td', 'th', 'dd', 'dt', 'summary', 'caption']);
/** They have a side that marks, lines or columns begin at: that of their first letter. */
const FRAMES = new Set(['ul', 'ol', 'blockquote', 'table', 'dl', 'details']);
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
const LETTER = /\p{L}/u;

/** A rehype plugin. */
export function directions() {
  return direct;
}

function direct(node: HtmlNode): void {
  const { tagName = '', properties = {}, children = [] } = node;
  if (TEXTS.has(tagName)) node.properties = { ...properties, dir: 'auto' };
  else if (FRAMES.has(tagName)) node.properties = { ...properties, dir: directionOf(node) };
  else if (tagName === 'code') node.properties = { ...properties, dir: 'ltr' };
  children.forEach(direct);
}

function directionOf(node: HtmlNode): 'ltr' | 'rtl' {
  const letter = firstLetter(node);
  return letter && RIGHT_TO_LEFT.test(letter) ? 'rtl' : 'ltr';
}

function firstLetter({ tagName, value = '', children = [] }: HtmlNode): string | null {
  if (tagName === 'code') return null;
  const own = LETTER.exec(value)?.[0];
  if (own) return own;
  for (const child of children) {
    const letter = firstLetter(child);
    if (letter) return letter;
  }
  return null;
}

/** What a caret may stand at the end of, inside. */
const HOLDERS = new Set([...TEXTS, ...FRAMES, 'div', 'section', 'thead', 'tbody', 'tr']);

/** A rehype plugin: after the last letter, wherever that is, there is a caret. */
export function caret() {
  return placeCaret;
}

function placeCaret(node: HtmlNode): void {
  const children = node.children ?? [];
  const last = children.findLast(({ type, value = '' }) => type === 'element' || value.trim() !== '');
  if (last?.tagName && HOLDERS.has(last.tagName)) placeCaret(last);
  else if (last?.tagName === 'pre' && !isFormula(last)) last.properties = { ...last.properties, dataCaret: '' };
  else
    node.children = [
      ...children,
      { type: 'element', tagName: 'span', properties: { className: ['caret'] }, children: [] },
    ];
}

function isFormula({ children = [] }: HtmlNode): boolean {
  return children.some(({ properties }) => String(properties?.className).includes('math'));
}
