import { describe, expect, it } from 'vitest';
import { BlockSplitter } from '../markdown/blocks.ts';
import { sheetsOf } from '../markdown/sheets.ts';

const PART = `## Part\n\n${'The wheel turns while the gate is open. '.repeat(20)}\n\n- weir\n- race\n\n\`\`\`py\nflow()\n\`\`\`\n\n`;
const split = (text: string) => sheetsOf(new BlockSplitter().split(text));

describe('sheets', () => {
  it('hold every block once, in order', () => {
    const blocks = new BlockSplitter().split(PART.repeat(40));
    expect(sheetsOf(blocks).flat()).toEqual(blocks);
    expect(sheetsOf(blocks).length).toBeGreaterThan(5);
  });

  it('are one for a reply of usual length, and for none', () => {
    expect(split(PART)).toHaveLength(1);
    expect(split('')).toEqual([[]]);
  });

  it('do not begin with a heading', () => {
    for (const [first] of split(PART.repeat(40)).slice(1)) {
      expect(first?.kind === 'prose' && first.pieces[0]?.startsWith('#')).toBe(false);
    }
  });

  it('stay as they are while the reply grows, but for the last two', () => {
    const splitter = new BlockSplitter();
    const text = PART.repeat(20);
    let before: ReturnType<typeof sheetsOf> = [[]];
    for (let length = 0; length <= text.length; length += 97) {
      const sheets = sheetsOf(splitter.split(text.slice(0, length)));
      for (const [index, sheet] of before.slice(0, -2).entries()) {
        expect(sheets[index]?.length).toBe(sheet.length);
        expect(sheet.every((block, at) => block === sheets[index]?.[at])).toBe(true);
      }
      before = sheets;
    }
  });
});
