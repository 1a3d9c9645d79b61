import { expect, it } from 'vitest';
import { isItsOwnText, linkAddress, pictureAddress } from '../markdown/addresses.ts';

it.each(['https://example.org/a?b#c', 'http://example.org/', 'mailto:a@example.org', 'tel:+49123'])(
  'lets a link lead to %s',
  (href) => {
    expect(linkAddress(href)?.href).toBe(href);
  },
);

it.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:msgbox(1)',
  'file:///etc/passwd',
  'blob:https://example.org/1',
  '/api/conversations',
  '//example.org',
  '',
  undefined,
])('lets no link lead to %s', (href) => {
  expect(linkAddress(href)).toBeNull();
});

it('shows pictures over HTTPS only', () => {
  expect(pictureAddress('https://example.org/mill.png')?.host).toBe('example.org');
  expect(pictureAddress('http://example.org/mill.png')).toBeNull();
  expect(pictureAddress('data:image/svg+xml,<svg onload=alert(1)>')).toBeNull();
});

it.each([
  ['https://example.org/mill?a=1', 'https://example.org/mill?a=1', true],
  ['https://example.org', 'https://example.org/', true],
  ['www.example.org/a', 'http://www.example.org/a', true],
  ['a@example.org', 'mailto:a@example.org', true],
  ['https://bank.example', 'https://evil.example/login', false],
  ['bank.example', 'https://evil.example/', false],
  ['https://bank.example@evil.example/', 'https://bank.example@evil.example/', false],
  ['https://b\u0430nk.example/', 'https://b\u0430nk.example/', false],
  ['https://bank.example/\u202e', 'https://bank.example/\u202e', false],
  ['the mill', 'https://example.org/', false],
])('knows whether %s is the address %s', (text, address, isSame) => {
  expect(isItsOwnText(text, new URL(address))).toBe(isSame);
});
