/** Which addresses a reply may lead to or show. Everything else is text. */

const LINKS = new Set(['http:', 'https:', 'mailto:', 'tel:']);
/** The page's content policy lets no others in. */
const PICTURES = new Set(['https:']);

/** *href* in full if a link may lead there; never one into this page's own origin by a relative path. */
export function linkAddress(href: unknown): URL | null {
  return absolute(href, LINKS);
}

export function pictureAddress(src: unknown): URL | null {
  return absolute(src, PICTURES);
}

/**
 * Whether *text* is *address* itself, so that nobody is led elsewhere than they read. Only what looks as it is can be:
 * letters of other scripts stand in for ours, and what precedes an `@` for a host.
 */
export function isItsOwnText(text: string, address: URL): boolean {
  const read = text.trim();
  if (!/^[\x21-\x7e]+$/.test(read) || address.username !== '' || address.password !== '') return false;
  return ['', 'http://', 'https://', 'mailto:', 'tel:'].some(
    (scheme) => absolute(scheme + read, LINKS)?.href === address.href,
  );
}

function absolute(address: unknown, protocols: ReadonlySet<string>): URL | null {
  if (typeof address !== 'string') return null;
  try {
    const url = new URL(address);
    return protocols.has(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
