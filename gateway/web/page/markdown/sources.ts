/** Cuts markdown into the sources of its blocks, which can be parsed and drawn each by itself. */
import { Lexer, Tokenizer, type Tokens } from 'marked';
import { isInDisplay } from './formulas.ts';
import { isElement } from './tags.ts';

/** What is not closed within so many characters is not waited for. */
const PATIENCE = 8000;
const FOOTNOTE = /\[\^[\w-]{1,200}\]/;
const ELEMENT = /^ {0,3}<\/?([a-z][a-z0-9]*)(?=[\s/>])/i;
const VOID = /^(?:br|hr|img)$/i;

/** For the lexer too, HTML is only what is markup of a reply. */
class KnownHtml extends Tokenizer {
  override html(source: string): Tokens.HTML | undefined {
    const name = ELEMENT.exec(source)?.[1];
    return name && isElement(name) ? super.html(source) : undefined;
  }
}

/** Whether *source* begins something that is not closed in it. */
type IsOpen = (source: string) => boolean;

/**
 * The blocks of *markdown*; joined they are *markdown*. What belongs together stays together: an HTML element, a display
 * formula, and everything where one block is referred to from another.
 */
export function sourcesOf(markdown: string): string[] {
  if (FOOTNOTE.test(markdown)) return [markdown];
  // Of the same length: the lexer counts a line's end as one letter.
  const text = markdown.replaceAll('\r\n', ' \n').replaceAll('\r', '\n');
  const lexer = new Lexer({ gfm: true, tokenizer: new KnownHtml() });
  const tokens = lexer.blockTokens(text);
  if (Object.keys(lexer.tokens.links).length > 0) return [markdown];
  const sources: string[] = [];
  let at = 0;
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    let source = token?.raw ?? '';
    const isOpen = openedBy(token);
    if (isOpen?.(source)) {
      let longer = source;
      let next = index + 1;
      while (next < tokens.length && longer.length < PATIENCE && isOpen(longer)) longer += tokens[next++]?.raw ?? '';
      if (longer.length < PATIENCE) {
        source = longer;
        index = next - 1;
      }
    }
    const said = markdown.slice(at, at + source.length);
    at += source.length;
    if (token?.type === 'space' && sources.length > 0) sources[sources.length - 1] += said;
    else sources.push(said);
  }
  if (at < markdown.length) sources.push(markdown.slice(at));
  return sources;
}

function openedBy(token: Tokens.Generic | undefined): IsOpen | null {
  if (!token || token.type === 'code') return null;
  if (token.type !== 'html') return isInDisplay;
  const name = ELEMENT.exec(token.raw)?.[1];
  if (!name || VOID.test(name)) return null;
  const opening = new RegExp(`<${name}(?=[\\s/>])`, 'gi');
  const closing = new RegExp(`</${name}\\s*>`, 'gi');
  return (source) => (source.match(opening)?.length ?? 0) > (source.match(closing)?.length ?? 0);
}
