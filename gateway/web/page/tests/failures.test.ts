import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ChatMessage } from '../../client/index.js';
import { endingOf, failureKind, KINDS } from '../thread/failures.ts';
import { en } from '../words/en.ts';
import { zh } from '../words/zh.ts';

const reply = (facts: Partial<ChatMessage>): ChatMessage => ({
  id: 'a',
  role: 'assistant',
  content: 'Once',
  createdAt: 0,
  state: 'done',
  ...facts,
});

test('a complete reply speaks for itself', () => {
  expect(endingOf(reply({ finishReason: 'stop' }))).toBeNull();
  expect(endingOf(reply({}))).toBeNull();
  const toolCalls = [{ index: 0, id: 'c', name: 'look', arguments: '', at: 0 }];
  expect(endingOf(reply({ finishReason: 'tool_calls', content: '', toolCalls }))).toBeNull();
  expect(endingOf(reply({ finishReason: 'length', state: 'streaming' }))).toBeNull();
});

test('one that was cut, filtered or is empty is called that', () => {
  expect(endingOf(reply({ finishReason: 'length' }))).toBe('length');
  expect(endingOf(reply({ finishReason: 'length', content: '' }))).toBe('lengthEmpty');
  expect(endingOf(reply({ finishReason: 'content_filter' }))).toBe('filtered');
  expect(endingOf(reply({ finishReason: 'content_filter', content: '' }))).toBe('filtered');
  expect(endingOf(reply({ finishReason: 'stop', content: '' }))).toBe('empty');
  // What was said is not known to be all.
  expect(endingOf(reply({ content: '' }))).toBeNull();
});

test('nobody is told to change a message for a wrong key, nor that something is kept that never was', () => {
  for (const { failures } of [en, zh]) {
    expect(failures[failureKind('upstream_unauthorized', false)].advice).not.toMatch(/[Cc]hange|修改/);
    for (const { advice } of Object.values(failures)) expect(advice).not.toMatch(/is kept|已保留。|已保留，/);
  }
  expect(failureKind('upstream_failed', false)).toBe('noAnswer');
  expect(failureKind('upstream_broke', true)).toBe('upstream');
  expect(failureKind('never_heard_of', true)).toBe('other');
});

/** Every match of *pattern* in the files of *folder* that are called so. */
function found(folder: URL, name: RegExp, pattern: RegExp): string[] {
  const files = readdirSync(folder).filter((file) => name.test(file));
  const texts = files.map((file) => readFileSync(new URL(file, folder), 'utf8'));
  return texts.flatMap((text) => [...text.matchAll(pattern)].map(([, code]) => code ?? ''));
}

test('every code that the server or the client has is known here, and nothing else', () => {
  const shared = new URL('../../../../shared/', import.meta.url);
  const server = found(shared, /^(errors|failures)\.py$/, /^ {4}code(?:: str)? = "([a-z_]+)"$/gm);
  const client = new URL('../../client/', import.meta.url);
  const ours = found(client, /\.ts$/, /(?:code: |code\) \?\? |cut\()'([a-z_]+)'/g);
  expect(server.length).toBeGreaterThan(35);
  expect(Object.keys(KINDS).sort()).toEqual([...new Set([...server, ...ours])].sort());
});

test('what has no words of its own is written down', () => {
  const other = Object.keys(KINDS).filter((code) => failureKind(code, false) === 'other');
  const ofSpeech = [
    'nothing_to_say',
    'speech_too_long',
    'speech_failed',
    'speech_unavailable',
    'range_not_satisfiable',
  ];
  const ofClients = ['http_error', 'invalid_answer', 'invalid_frame', 'closed', 'stale', 'stopped', 'taken'];
  expect(other).toEqual([...ofSpeech, ...ofClients]);
  for (const code of ['insufficient_quota', 'context_length_exceeded']) {
    for (const { failures } of [en, zh]) expect(failures[failureKind(code, false)].advice).toMatch(/model|模型/);
  }
});
