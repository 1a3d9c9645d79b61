/** Which blocks of a reply are kept in the page together. */
import type { Block } from './blocks.ts';

/** A screen or two of text. */
const SHEET_LENGTH = 4000;
const HEADING = /^ {0,3}#{1,6}\s/;

/**
 * *blocks* in order, a few thousand characters each. None begins with a heading, whose room above it would be
 * lost. Where a sheet ends depends on nothing after it, so only the last ones change while a reply grows.
 */
export function sheetsOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const sheets: Block[][] = [[]];
  let length = 0;
  for (const block of blocks) {
    const isHeading = block.kind === 'prose' && HEADING.test(block.pieces[0] ?? '');
    if (length >= SHEET_LENGTH && !isHeading) {
      sheets.push([]);
      length = 0;
    }
    sheets.at(-1)?.push(block);
    length += block.kind === 'code' ? block.code.length : block.pieces.reduce((sum, piece) => sum + piece.length, 0);
  }
  return sheets;
}
