import { expect, it } from 'vitest';
import { linkAddress, pictureAddress } from '../markdown/addresses.ts';

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
