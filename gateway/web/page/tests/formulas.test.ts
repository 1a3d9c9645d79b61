import { expect, it } from 'vitest';
import { withFormulas } from '../markdown/formulas.ts';

it.each([
  ['A flow of $Q = \\frac{1}{2}$ and more', 'A flow of $$Q = \\frac{1}{2}$$ and more'],
  ['\\(a_1\\) and \\[b^2\\]', '$$a_1$$ and \n$$\nb^2\n$$\n'],
  ['$$\nx\n$$', '$$\nx\n$$'],
])('brings %s to the form that is drawn', (written, drawn) => {
  expect(withFormulas(written)).toEqual({ markdown: drawn, hasFormulas: true });
});

it.each(['It costs $5 or $10.', '`\\(not a formula\\)`', 'echo `$HOME_DIR and $PATH_X`', 'from $1_000 to $2_000'])(
  'leaves %s as it is',
  (text) => {
    expect(withFormulas(text)).toEqual({ markdown: text, hasFormulas: false });
  },
);
