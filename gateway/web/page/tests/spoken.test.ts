import { expect, test } from 'vitest';
import { patternOfSentence } from '../speech/spoken.ts';

const found = (text: string, start: number, end: number, drawn: string) => {
  const pattern = patternOfSentence(text, { start, end });
  return pattern && [...drawn.matchAll(pattern)].map(([sentence]) => sentence);
};

test('a sentence is found as it is drawn, without its marks', () => {
  const text = 'One. The **river** runs [here](https://x.org/a_(b)). Two.';
  expect(found(text, 4, 52, 'One. The river runs here. Two.')).toEqual(['The river runs here']);
});

test('characters are counted as the server does', () => {
  expect(found('🙂🙂 你好。再见。', 6, 9, '🙂🙂 你好。再见。')).toEqual(['再见']);
});

test('code and tables are not marked', () => {
  expect(patternOfSentence('```py\nx\n```', { start: 0, end: 6 })).toBeNull();
});
