/** Which HTML in a reply is markup: what only says how text is set. Whatever else stands in angle brackets is text. */

import { linkAddress, pictureAddress } from './addresses.ts';

const ELEMENTS = new Set(
  (
    'a b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby ' +
    's samp small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var'
  ).split(' '),
);
const VOID = new Set(['br', 'hr', 'img']);
/** Parts of a whole, which a browser drops outside of it. */
const WITHIN: Record<string, readonly string[]> = {
  ...Object.fromEntries(['tbody', 'td', 'tfoot', 'th', 'thead', 'tr'].map((part) => [part, ['table']])),
  ...Object.fromEntries(['dd', 'dt'].map((part) => [part, ['dl']])),
  ...Object.fromEntries(['rp', 'rt'].map((part) => [part, ['ruby']])),
  li: ['ol', 'ul'],
  summary: ['details'],
};
/** Those without effect in a reply are among them: a tag that has them is meant as one all the same. */
const ATTRIBUTES = new Set(
  (
    'align alt bgcolor border cellpadding cellspacing cite class color colspan datetime dir headers height href hreflang ' +
    'id lang loading name open rel reversed role rowspan scope size span src start style summary target title type ' +
    'valign value width'
  ).split(' '),
);
const BARE_ATTRIBUTES = new Set(['open', 'reversed']);

const VALUE = `"[^"]*"|'[^']*'|[^\\s"'=<>\`]+`;
const ATTRIBUTE = new RegExp(`\\s+([a-z][\\w-]*)(?:\\s*=\\s*(${VALUE}))?`, 'gi');
const TAG = new RegExp(`<(/?)([a-z][a-z0-9]*)((?:\\s+[a-z][\\w-]*(?:\\s*=\\s*(?:${VALUE}))?)*)\\s*/?>`, 'gi');

interface Tag {
  start: number;
  end: number;
  name: string;
  isClosing: boolean;
}

export function isElement(name: string): boolean {
  return ELEMENTS.has(name.toLowerCase());
}

/** Whether *source* is one tag that could be markup. */
export function isTag(source: string): boolean {
  const [tag] = tagsOf(source);
  return tag !== undefined && tag.start === 0 && tag.end === source.length;
}

/** The tags in *source* that could be markup. */
function tagsOf(source: string): Tag[] {
  return [...source.matchAll(TAG)].flatMap((match) => {
    const [whole, slash, tagName = '', attributes = ''] = match;
    const name = tagName.toLowerCase();
    if (!ELEMENTS.has(name) || !areKnown(attributes)) return [];
    if (name === 'a' && !slash && !linkAddress(attributeOf('href', attributes))) return [];
    if (name === 'img' && !pictureAddress(attributeOf('src', attributes))) return [];
    return [{ start: match.index, end: match.index + whole.length, name, isClosing: slash === '/' }];
  });
}

function areKnown(attributes: string): boolean {
  return [...attributes.matchAll(ATTRIBUTE)].every(([, name = '', value]) => {
    const known = name.toLowerCase();
    if (value === undefined) return BARE_ATTRIBUTES.has(known);
    return ATTRIBUTES.has(known) || /^(?:data|aria)-/.test(known);
  });
}

function attributeOf(attribute: string, attributes: string): string | undefined {
  const found = [...attributes.matchAll(ATTRIBUTE)].find(([, name = '']) => name.toLowerCase() === attribute);
  return found?.[2]?.replace(/^(["'])(.*)\1$/s, '$2');
}

/**
 * *sources*, the pieces of HTML in one block in their order, with every `<` escaped that does not belong to a tag.
 * A tag counts if it has its partner; one that stands alone is what somebody says, as in `vector<b>`.
 */
export function withoutStrays(sources: readonly string[]): string[] {
  const tags = sources.map(tagsOf);
  const paired = new Set<Tag>();
  const open: Tag[] = [];
  for (const tag of tags.flat()) {
    if (VOID.has(tag.name)) {
      if (!tag.isClosing) paired.add(tag);
      continue;
    }
    const partner = open.findLastIndex(({ name }) => name === tag.name);
    if (!tag.isClosing) {
      const whole = WITHIN[tag.name];
      if (!whole || open.some(({ name }) => whole.includes(name))) open.push(tag);
    } else if (partner >= 0) {
      for (const each of [open[partner], tag]) if (each) paired.add(each);
      open.length = partner;
    }
  }
  return sources.map((source, index) => {
    let kept = '';
    let at = 0;
    for (const tag of tags[index] ?? []) {
      if (!paired.has(tag)) continue;
      kept += escaped(source.slice(at, tag.start)) + source.slice(tag.start, tag.end);
      at = tag.end;
    }
    return kept + escaped(source.slice(at));
  });
}

function escaped(text: string): string {
  return text.replaceAll('<', '&lt;');
}
