import { expect, test } from 'vitest';
import { en } from '../words/en.ts';
import { zh } from '../words/zh.ts';

/** Every word with the way to it; functions are left to those who call them. */
function texts(words: object, path = ''): [string, string][] {
  return Object.entries(words).flatMap(([name, word]): [string, string][] => {
    if (typeof word === 'string') return [[`${path}${name}`, word]];
    return typeof word === 'object' && word !== null ? texts(word, `${path}${name}.`) : [];
  });
}

test('each text of either language is in that language', () => {
  const english = new Map(texts(en));
  const chinese = texts(zh);
  expect(chinese.length).toBeGreaterThan(100);
  expect(chinese.map(([path]) => path).sort()).toEqual([...english.keys()].sort());
  // What has a name of its own.
  const named = ['language', 'name'];
  expect(chinese.filter(([path, word]) => !named.includes(path) && !/\p{Script=Han}/u.test(word))).toEqual([]);
  expect([...english].filter(([, word]) => /\p{Script=Han}/u.test(word))).toEqual([]);
});
