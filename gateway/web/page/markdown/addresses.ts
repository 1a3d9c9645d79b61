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

function absolute(address: unknown, protocols: ReadonlySet<string>): URL | null {
  if (typeof address !== 'string') return null;
  try {
    const url = new URL(address);
    return protocols.has(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
