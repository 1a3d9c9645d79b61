// @vitest-environment jsdom
import { flushSync } from 'react-dom';
import { describe, expect, it } from 'vitest';
import { Markdown } from '../markdown/Markdown.tsx';
import { readable } from '../thread/json.ts';
import { mount } from './mount.ts';

const { place, root } = mount();

function drawn(text: string, isLive = false): Element {
  flushSync(() => root.render(<Markdown text={text} isLive={isLive} />));
  return place;
}

const EVERYTHING = `# Title

Some **bold** text with \`code\`.

1. one
   - nested
     - deeper

       a paragraph

     ~~~py
     flow()
     ~~~
2. two

> quoted
> - list

| a | b |
| - | - |
| 1 | 2 |

![A mill](https://example.org/mill.png)

---

\`\`\`js
go()
\`\`\`

<details><summary>more</summary>

inside

</details>

End.`;

describe('the caret', () => {
  it('is one, after the last letter, wherever the text has come to', () => {
    for (let end = 1; end <= EVERYTHING.length; end++) {
      const said = EVERYTHING.slice(0, end);
      const tree = drawn(said, true);
      const carets = tree.querySelectorAll('.caret');
      expect(carets.length, said).toBe(1);
      const after = document.createRange();
      after.setStartAfter(carets[0] as Element);
      after.setEndAfter(tree.lastChild as Node);
      expect(after.toString().trim(), said).toBe('');
    }
    expect(drawn(EVERYTHING).querySelector('.caret')).toBeNull();
  });

  it('is one in a paragraph of great length', () => {
    expect(drawn('The wheel turns in the race. '.repeat(300), true).querySelectorAll('.caret')).toHaveLength(1);
  });
});

describe('directions', () => {
  it('are those of each block', () => {
    const tree = drawn(
      'שלום עולם\n\nHello\n\n- אחת\n- two\n\n> ציטוט\n\n# כותרת\n\n| א | b |\n| - | - |\n| 1 | 2 |\n\n`x` שלום',
    );
    for (const block of tree.querySelectorAll('p, li, h3, td, th')) expect(block.getAttribute('dir')).toBe('auto');
    expect(['ul', 'blockquote', 'table'].map((name) => tree.querySelector(name)?.getAttribute('dir'))).toEqual([
      'rtl',
      'rtl',
      'rtl',
    ]);
    expect(tree.querySelector('p > code')?.getAttribute('dir')).toBe('ltr');
    expect(drawn('- one\n- שתיים').querySelector('ul')?.getAttribute('dir')).toBe('ltr');
  });
});

describe('what a tool is called with', () => {
  it.each([
    [
      '{"gate":"upper","levels":[1,2.50,12345678901234567890],"none":{}}',
      '{\n  "gate": "upper",\n  "levels": [\n    1,\n    2.50,\n    12345678901234567890\n  ],\n  "none": {}\n}',
    ],
    ['{"a": "x, {y}: \\"z\\""}', '{\n  "a": "x, {y}: \\"z\\""\n}'],
    ['[]', '[]'],
    ['{"gate": "up', '{"gate": "up'],
    ['upper', 'upper'],
  ])('is readable: %s', (json, lines) => {
    expect(readable(json)).toBe(lines);
  });
});
