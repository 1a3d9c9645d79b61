/** Where a text stands in messages, as they were said and as they are drawn. */
import type { ChatMessage } from '../../client/index.js';

/** One place where a text stands. */
export interface Match {
  messageId: string;
  /** The number of it in its message, how many there are, and how far in the text it begins, from 0 to 1. */
  nth: number;
  count: number;
  depth: number;
}

/** Finds *query* in any case; null for nothing. */
export function patternOf(query: string): RegExp | null {
  const wanted = query.trim();
  return wanted === ''
    ? null
    : new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replace(/\s+/g, '\\s+'), 'giu');
}

/** In order; of one message they are found once, however often it is asked for. */
export class Matches {
  readonly #pattern: RegExp;
  readonly #known = new WeakMap<ChatMessage, readonly Match[]>();

  constructor(pattern: RegExp) {
    this.#pattern = pattern;
  }

  in(messages: readonly ChatMessage[]): readonly Match[] {
    return messages.flatMap((message) => this.#of(message));
  }

  #of(message: ChatMessage): readonly Match[] {
    let found = this.#known.get(message);
    if (!found) {
      const { id, content } = message;
      const at = [...content.matchAll(this.#pattern)].map(({ index }) => index);
      found = at.map((index, nth) => ({ messageId: id, nth, count: at.length, depth: index / content.length }));
      this.#known.set(message, found);
    }
    return found;
  }
}

/** What is no text of a message, though it stands among it. */
const APART = 'button, footer, figcaption, .visually-hidden, .pulse, .notice, .reasoning, .tool-call, annotation, form';

/** Where *pattern* stands in what is drawn of *element*, also across elements. */
export function rangesIn(element: Element, pattern: RegExp): Range[] {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement?.closest(APART) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  const nodes: { node: Node; start: number }[] = [];
  let text = '';
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, start: text.length });
    text += walker.currentNode.nodeValue ?? '';
  }
  const place = (offset: number, isEnd: boolean): [Node, number] | null => {
    const found = nodes.findLast(({ start }) => (isEnd ? start < offset : start <= offset));
    return found ? [found.node, offset - found.start] : null;
  };
  return [...text.matchAll(pattern)].flatMap((match) => {
    const from = place(match.index, false);
    const to = place(match.index + match[0].length, true);
    if (!from || !to) return [];
    const range = document.createRange();
    range.setStart(...from);
    range.setEnd(...to);
    return [range];
  });
}
