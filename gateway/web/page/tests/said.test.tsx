// @vitest-environment jsdom
import fc from 'fast-check';
import { flushSync } from 'react-dom';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { BlockSplitter } from '../markdown/blocks.ts';
import { Markdown } from '../markdown/Markdown.tsx';
import { mount } from './mount.ts';

const { place, root } = mount();

function drawn(text: string, isLive = false): Element {
  flushSync(() => root.render(<Markdown key={`${text} ${isLive}`} text={text} isLive={isLive} />));
  return place;
}

beforeAll(async () => {
  // What is fetched when it is first wanted is there for all of them.
  await vi.waitUntil(() => drawn('每 $x^2$').querySelector('.katex'), { timeout: 10_000 });
});

const compact = (text: string | null) => (text ?? '').replace(/\s+/g, '');
const shown = (text: string, isLive = false) => compact(drawn(text, isLive).textContent);

describe('what was said is shown', () => {
  it.each([
    '每天3~5次，每次10~20分钟',
    'It takes 3~5 days, or ~10~20 of them, from ~/bin to ~/lib.',
    'List<String>',
    '2*3*4 = 24, x**2 + y**2, f(a)*b*(c) and 2**10 or 3**(2)',
    'a<b and c>d',
    'Map<String, List<i>> of vector<b> and Box<a>',
    'Put <your name> here, then </think> and <|im_start|> and <3.',
    'The <div> tag, the <td> tag and </p> alone.',
    'a <!-- comment --> b <?php echo 1 ?> c <!DOCTYPE html> d <![CDATA[e]]> f',
    '<img src=mill.png> and <a href="docs/mill">here</a>',
    '<b onclick=go()>x</b> and <script>alert(1)</script>',
    '<think>\nfirst\n\nsecond\n</think>\n\nanswer',
    '<T>\n\ntext',
    '<div>\nif a<b then\n\nelse',
    '<!-- one\n\ntwo -->\n\nthree',
    'call array[i](x) or see [the guide](docs/guide.md) and <javascript:alert(1)>',
    '[Note]: this',
    '[重点]: 内容',
    '[^1]: A note that nobody refers to.',
    'costs $5 and $10, $HOME_A:$HOME_B, US$3_000 to US$4_000',
    'pay $$ now, $$ later',
  ])('in %s', (text) => {
    for (let end = 1; end <= text.length; end++) {
      const said = text.slice(0, end);
      expect(shown(said)).toBe(compact(said));
    }
    expect(shown(text, true)).toBe(compact(text));
  });

  it('in cells that the header has no column for', () => {
    expect(shown('| a | b |\n| - | - |\n| 1 | 2 | 3 | 4 |')).toBe('ab1234');
  });

  it('in the line that opens a fence', () => {
    expect(shown('```python title="mill.py" {1,3}\nflow()\n```')).toContain('title="mill.py"{1,3}');
  });

  it('but for the marks of the HTML that only says how text is set', () => {
    expect(drawn('a<br>b H<sub>2</sub>O <u>c</u> <a href="https://example.org">d</a>').textContent).toBe('ab H2O c d');
    expect(drawn('<table>\n<tr><td align="left">1</td></tr>\n</table>').querySelector('td')?.textContent).toBe('1');
  });

  it('with the emphasis that is meant', () => {
    drawn('*a* **b** x*y 共**3**个 *so*, **2*3** and un**believ**able');
    expect([...place.querySelectorAll('em, strong')].map((each) => each.textContent)).toEqual([
      'a',
      'b',
      '3',
      'so',
      '2*3',
      'believ',
    ]);
  });

  it('whatever it is, where nothing in it is markup', () => {
    const letters = [...'abcXYZ019 .,;:?!()"\'%@/|=+~<>^&$#-', ...'每天次。，「」あ한é🙂عש'];
    // What a mark of markdown could be made of is left out, and an `&` that begins a character reference.
    const isPlain = (text: string) =>
      !/~~|^\s*(?:[-+#>|=~$]|\d+[.)])|\n|&[#\w]+;|https?:|www\.|@|\||--|^\s|\$\$|<\w+:/m.test(text);
    const plain = fc
      .array(fc.constantFrom(...letters), { maxLength: 60 })
      .map((drawnLetters) => drawnLetters.join(''))
      .filter(isPlain);
    fc.assert(
      fc.property(plain, (text) => {
        expect(shown(text)).toBe(compact(text));
      }),
      { numRuns: 150 },
    );
  });

  it('whatever stands in angle brackets', () => {
    const name = fc.constantFrom('b', 'i', 'a', 'T', 'String', 'div', 'p', 'table', 'script', 'x-y', 'b and c', 'i, b');
    const bracketed = fc.tuple(fc.constantFrom('x', '', 'List', '每 '), name, fc.constantFrom('y', '', ' z', '\n\n'));
    fc.assert(
      fc.property(fc.array(bracketed, { maxLength: 5 }), (parts) => {
        // All of them open and none closes, so none is HTML.
        const text = `t ${parts.map(([before, tag, after]) => `${before}<${tag}>${after}`).join('')}`;
        expect(shown(text)).toBe(compact(text));
      }),
      { numRuns: 100 },
    );
  });
});

describe('whatever marks it stands among, right or wrong', () => {
  const MARKS = [
    ...'*_~`[]()<>!|\\$&-:"\'=@{}每。',
    ...[
      '**',
      '~~',
      '```',
      '](',
      '</',
      '/>',
      '# ',
      '$$',
      '- ',
      '1. ',
      '> ',
      '\n',
      '\n\n',
      '    ',
      '\\(',
      '\\)',
      '\\[',
      '\\]',
    ],
    ...['[^', ']: ', 'http://', '<!--', '-->', '<?', '---', '~~~', '<b>', '</b>', '<div>', '</div>', '<table>', '<tr>'],
    ...[
      '<td>',
      '</td>',
      '<br>',
      '<a href="',
      '<a href=x>',
      '</a>',
      '<img src=',
      '<details>',
      '</details>',
      '<p>',
      '<li>',
    ],
  ];

  it('no word is lost', () => {
    const part = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...MARKS) },
      { weight: 1, arbitrary: fc.constant(null) },
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 3, maxLength: 14 }), (parts) => {
        const text = parts.map((mark, index) => mark ?? `q${index}z`).join('');
        const tree = drawn(text);
        // The address of a link is said where a pointer rests on it.
        const attributes = [...tree.querySelectorAll('*')].flatMap((each) =>
          [...each.attributes].map(({ value }) => value),
        );
        const all = `${tree.textContent} ${attributes.join(' ')}`;
        expect((text.match(/q\d+z/g) ?? []).filter((word) => !all.includes(word))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

it('keeps the dollars around signs that say nothing', () => {
  for (const text of ['é$^$', 'x$$=$$', '$_{}$']) expect(shown(text)).toBe(compact(text));
});

describe('code', () => {
  const copied = (text: string) => [...drawn(text).querySelectorAll('.code')].map((code) => code.textContent);

  it.each(['```\n', '~~~\n', '```tex\n', '- ```\n  ', '> ~~~\n> '])(
    'keeps what looks like a formula after %j',
    (opening) => {
      const code = '\\(a\\) $b_1$ \\[c\\]';
      expect(shown(`${opening}${code}`)).toContain(compact(code));
      expect(copied(`${opening}${code}`)).toHaveLength(1);
      expect(place.querySelector('.katex, .math-inline')).toBeNull();
    },
  );
});

describe('what is copied', () => {
  it('of code is what was said, byte for byte', () => {
    const line = fc.constantFrom(
      '',
      'a',
      '\ta  ',
      '  \\(b\\)',
      '`',
      '~~',
      '<b>',
      'é\u0301🙂',
      '\u00a0',
      '$x_1$',
      '&amp;',
      '**',
    );
    const end = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(fc.array(fc.tuple(line, end), { maxLength: 6 }), end, fc.boolean(), (lines, lineEnd, isClosed) => {
        const code = lines.map((parts) => parts.join('')).join('') || 'x';
        const text = `Before.${lineEnd}${lineEnd}\`\`\`js${lineEnd}${code}${isClosed ? `${lineEnd}\`\`\`${lineEnd}After` : ''}`;
        const block = new BlockSplitter().split(text).find(({ kind }) => kind === 'code');
        expect(block).toMatchObject({ code: isClosed ? code : code.replace(/\r?\n$/, '') });
      }),
    );
  });
});
