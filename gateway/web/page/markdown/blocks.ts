/**
 * Cuts markdown that is still arriving into blocks, so that only the last ones are parsed and drawn again.
 *
 * What is settled is never looked at again: the work for a frame depends on the length of the open end, not
 * on that of the whole text. The cuts follow from the text alone, so that a text gives the same blocks
 * whether it came at once or letter by letter.
 */
import remend from 'remend';
import { sourcesOf } from './sources.ts';

export interface CodeBlock {
  kind: 'code';
  language: string;
  /** What else stands in the line that opens the fence. */
  info: string;
  /** Byte for byte, line ends included. */
  code: string;
  isClosed: boolean;
}

/** Markdown; more than one piece if it is a single paragraph of great length. */
export interface ProseBlock {
  kind: 'prose';
  pieces: readonly string[];
}

export type Block = CodeBlock | ProseBlock;

/** The last two blocks may still change: a list goes on after a blank line. */
const OPEN_BLOCKS = 2;
const PIECE_LENGTH = 1500;
const FENCE = /^( {0,3})(`{3,}(?=[^`\n]*\n)|~{3,}(?=[^\n]*\n))([^\n]*)\n/;
const NOT_A_PARAGRAPH = /^(?:\s|#{1,6}\s|>|[-*+]\s|\||<|\$\$|\d+[.)]\s|\[)/;
/** A formula or HTML, which remend knows nothing of. */
const HELD_TOGETHER = /\\[([]|\$.*\$|<[a-z]/i;
const SENTENCE_END = /(?:[.!?]["'”’)]?[^\S\n]+|[。！？]["”’）]?)(?=\p{L})/gu;

export class BlockSplitter {
  #text = '';
  #at = 0;
  #settled: Block[] = [];
  /** Pieces of the paragraph that `#at` is in. */
  #pieces: string[] = [];
  #isInCode = false;

  /** Characters that are parsed anew with the next text. */
  get openLength(): number {
    return this.#isInCode ? 0 : this.#text.length - this.#at;
  }

  /** The blocks of *text*; cheap when it begins with the text of the call before. */
  split(text: string): readonly Block[] {
    if (!text.startsWith(this.#text)) this.#forget();
    this.#text = text;
    const open = this.#open();
    return [...this.#settled, ...open];
  }

  #forget(): void {
    this.#at = 0;
    this.#settled = [];
    this.#pieces = [];
  }

  #open(): Block[] {
    for (;;) {
      const tail = this.#text.slice(this.#at);
      const fence = this.#pieces.length ? null : FENCE.exec(tail);
      this.#isInCode = fence !== null;
      if (fence) {
        const { block, length } = fenced(fence, tail);
        if (!block.isClosed || length === tail.length) return [block];
        this.#settle(block, length);
        continue;
      }
      const parts = sourcesOf(tail);
      const settling = this.#firstOpen(parts);
      if (settling === 0) {
        parts[0] = this.#takePieces(parts[0] ?? '');
        return this.#blocks(parts);
      }
      for (const part of parts.slice(0, settling)) this.#settleText(this.#takePieces(part));
    }
  }

  /** How many of *parts* are settled: all before an open fence, else all but the last ones. */
  #firstOpen(parts: string[]): number {
    const isText = (part: string) => part.trim() !== '';
    const texts = parts.flatMap((part, index) => (isText(part) ? [index] : []));
    const last = texts.at(-1);
    if (last === undefined) return 0;
    if (FENCE.test(parts[last] ?? '')) return last;
    return texts.at(-OPEN_BLOCKS) ?? 0;
  }

  #settleText(part: string): void {
    const [block] = this.#blocks([part]);
    this.#pieces = [];
    if (block) this.#settle(block, part.length);
    else this.#at += part.length;
  }

  #settle(block: Block, length: number): void {
    this.#settled.push(block);
    this.#at += length;
  }

  #blocks(parts: string[]): Block[] {
    const blocks: Block[] = [];
    for (const part of parts) {
      if (part.trim() === '') continue;
      const fence = FENCE.exec(part);
      if (fence) blocks.push(fenced(fence, part).block);
      else blocks.push({ kind: 'prose', pieces: blocks.length ? [part] : [...this.#pieces, part] });
    }
    if (!blocks.length && this.#pieces.length) blocks.push({ kind: 'prose', pieces: this.#pieces });
    return blocks;
  }

  /** Take off what can be settled of a paragraph that has become long; the rest of it. */
  #takePieces(part: string): string {
    let rest = part;
    for (let piece = this.#piece(rest); piece; piece = this.#piece(rest)) {
      this.#pieces = [...this.#pieces, piece];
      this.#at += piece.length;
      rest = rest.slice(piece.length);
    }
    return rest;
  }

  #piece(part: string): string | null {
    if (part.length < 2 * PIECE_LENGTH) return null;
    if (!this.#pieces.length && NOT_A_PARAGRAPH.test(part)) return null;
    const newline = part.indexOf('\n');
    const line = newline === -1 ? part : part.slice(0, newline);
    SENTENCE_END.lastIndex = PIECE_LENGTH;
    for (let end = SENTENCE_END.exec(line); end; end = SENTENCE_END.exec(line)) {
      const piece = line.slice(0, end.index + end[0].length);
      const trimmed = piece.trimEnd();
      if (!HELD_TOGETHER.test(trimmed) && remend(trimmed, { singleTilde: false }) === trimmed) return piece;
    }
    return null;
  }
}

function fenced(fence: RegExpExecArray, text: string): { block: CodeBlock; length: number } {
  const [opening, indent = '', marks = '', info = ''] = fence;
  const [, language = '', rest = ''] = /^\s*([^\s{]*)(.*)/.exec(info) ?? [];
  const closing = new RegExp(`^ {0,3}\\${marks[0]}{${marks.length},}[ \\t]*(?:\\r?\\n|$)`, 'm').exec(
    text.slice(opening.length),
  );
  const end = closing ? opening.length + closing.index : text.length;
  const raw = text.slice(opening.length, end);
  const code = (indent ? raw.replace(new RegExp(`^ {1,${indent.length}}`, 'gm'), '') : raw).replace(/\r?\n$/, '');
  return {
    block: { kind: 'code', language, info: rest.trim(), code, isClosed: closing !== null },
    length: closing ? end + closing[0].length : text.length,
  };
}
