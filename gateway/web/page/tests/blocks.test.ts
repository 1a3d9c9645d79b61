import { describe, expect, it } from 'vitest';
import { type Block, BlockSplitter } from '../markdown/blocks.ts';

const SENTENCE = 'The wheel turns in the **race** while the `gate` is open, and the miller sleeps. ';
const TEXT = `# A mill

Water comes down the race.

1. weir

2. gate
   - wheel

\`\`\`\`python
def flow():
    return """
\`\`\`
"""

\`\`\`\`

| a | b |
| - | - |
| 1 | 2 |

<details>

inside

</details>

${SENTENCE.repeat(60)}

~~~
no language
~~~
The end.`;

const whole = (text: string): readonly Block[] => new BlockSplitter().split(text);
const source = (block: Block): string => (block.kind === 'code' ? block.code : block.pieces.join(''));

describe('BlockSplitter', () => {
  it('gives the same blocks whether a text came at once or in parts of any size', () => {
    for (const size of [1, 2, 3, 7, 64, 1000]) {
      const splitter = new BlockSplitter();
      let blocks: readonly Block[] = [];
      for (let end = size; end < TEXT.length + size; end += size) blocks = splitter.split(TEXT.slice(0, end));
      expect(blocks, `parts of ${size}`).toEqual(whole(TEXT));
    }
  });

  it('loses nothing but fences and blank lines', () => {
    const letters = (text: string) => text.replace(/[\s`~]|python$/gm, '');
    expect(letters(whole(TEXT).map(source).join('\n'))).toBe(letters(TEXT));
  });

  it('keeps settled blocks as the same objects', () => {
    const splitter = new BlockSplitter();
    const before = splitter.split(`${TEXT}\n\nOne.\n\nTwo.\n\nThree`);
    const after = splitter.split(`${TEXT}\n\nOne.\n\nTwo.\n\nThree, and more.`);
    expect(after.slice(0, -3).every((block, index) => block === before[index])).toBe(true);
    expect(after.length).toBeGreaterThan(8);
  });

  it('cuts a paragraph of great length between sentences, and only there', () => {
    const [block] = whole(SENTENCE.repeat(120));
    expect(block?.kind === 'prose' && block.pieces.length).toBeGreaterThan(3);
    expect(block && source(block)).toBe(SENTENCE.repeat(120));
    expect(block?.kind === 'prose' && block.pieces.every((piece) => piece.endsWith('sleeps. '))).toBe(true);
  });

  it('never cuts inside emphasis', () => {
    const [block] = whole(`**${'It goes on. '.repeat(500)}**`);
    expect(block).toEqual({ kind: 'prose', pieces: [`**${'It goes on. '.repeat(500)}**`] });
  });

  it('reads code with the fence still open, and begins anew with another text', () => {
    const splitter = new BlockSplitter();
    expect(splitter.split('```ts\nlet a')).toEqual([
      { kind: 'code', language: 'ts', info: '', code: 'let a', isClosed: false },
    ]);
    expect(splitter.split('Another')).toEqual([{ kind: 'prose', pieces: ['Another'] }]);
  });

  it('parses only the open end of a long text', () => {
    const splitter = new BlockSplitter();
    let text = '';
    for (let number = 0; number < 400; number++) {
      text += `Paragraph ${number} says little.\n\n`;
      splitter.split(text);
      expect(splitter.openLength).toBeLessThan(200);
    }
  });
});
