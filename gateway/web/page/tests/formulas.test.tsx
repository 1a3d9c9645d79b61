// @vitest-environment jsdom
import { flushSync } from 'react-dom';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Markdown } from '../markdown/Markdown.tsx';
import { mount } from './mount.ts';

const { place, root } = mount();

function drawn(text: string): Element {
  flushSync(() => root.render(<Markdown key={text} text={text} isLive={false} />));
  return place;
}

const formulas = () => [...place.querySelectorAll('annotation')].map((source) => source.textContent);
const displays = () => place.querySelectorAll('.katex-display').length;

beforeAll(async () => {
  await vi.waitUntil(() => drawn('$x^2$').querySelector('.katex'), { timeout: 10_000 });
});

describe('formulas', () => {
  it.each([
    ['A flow of $Q = \\frac{1}{2}$ and more', 'Q = \\frac{1}{2}'],
    ['\\(a_1\\)', 'a_1'],
    ['是\\(a\\)的', 'a'],
    ['公式$x^2$是', 'x^2'],
    ['*so \\(a*b\\)*', 'a*b'],
    ['so $$x$$ here', 'x'],
    ['| a |\n| - |\n| \\(x^2\\) |', 'x^2'],
    ['so that \\[E = mc^2\\] holds', 'E = mc^2'],
  ])('are found within the text of %j', (text, formula) => {
    drawn(text);
    expect(formulas()).toEqual([formula]);
    expect(displays()).toBe(0);
  });

  it.each([
    ['\\[b^2\\]', 'b^2'],
    ['so:\n\\[\na\n= b\n- c\n+ d\n\\]\nand on', 'a\n= b\n- c\n+ d'],
    ['$$\nx\n$$', 'x'],
    ['$$ a = b $$', ' a = b '],
    ['1. one:\n\n   \\[\n   a\n   - b\n   \\]\n\n2. two', 'a\n- b'],
    ['> \\[\n> a_1\n> \\]', 'a_1'],
    ['$$\n\\begin{aligned}\na \\\\\n\nb\n\\end{aligned}\n$$', '\\begin{aligned}\na \\\\\n\nb\n\\end{aligned}'],
  ])('are found with lines of their own in %j', (text, formula) => {
    drawn(text);
    expect(
      formulas().map((found) => found?.replace(/^ +/gm, (spaces) => (formula.startsWith(' ') ? spaces : ''))),
    ).toEqual([formula]);
    expect(displays()).toBe(1);
  });

  it.each([
    'It costs $5 or $10.',
    '`\\(not a formula\\)`',
    'echo `$HOME_DIR and $PATH_X`',
    'from $1_000 to $2_000',
    '~~~\n\\(a\\)\n~~~',
    '~~~\n\\[\na\n\\]',
    '```\n$$\nx\n$$',
    '    \\[a^2\\]',
    '- ~~~\n  \\(a\\)',
    '[x](https://example.org/\\(a\\)?$b_1$)',
    'https://example.org/$a_1$/b',
    '<https://example.org/$a_1$>',
    'foo \\[optional\\] bar',
    '\\[optional\\] bar',
    '\\[optional\\]',
    '\\[1\\]',
    '- \\[ \\] to do',
    'a\\[0\\] and \\(see below\\) and \\(可选\\)',
    '\\\\(a\\\\) and \\\\[b^2\\\\]',
    '\\$a_1$ and $a_1\\$',
    'unclosed \\(a_1 and $$ b',
    '\\[\na\n\n- b',
    '$$\n\nmuch later',
    '<b title="$a_1$">x</b>',
  ])('are not seen in %j', (text) => {
    drawn(text);
    expect(formulas()).toEqual([]);
    expect(place.querySelector('.katex, .katex-error')).toBeNull();
  });

  it('leave an escape in text as the escape that it is', () => {
    expect(drawn('foo \\[optional\\] bar').textContent).toBe('foo [optional] bar');
  });

  it('leave lists as they are where one is not closed', () => {
    expect(drawn('\\[\na\n\n- b\n- c').querySelectorAll('li')).toHaveLength(2);
  });
});
