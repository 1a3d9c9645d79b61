/** A link's way to the server: it reads one conversation, and nothing that its reader may do elsewhere comes along. */

const PATHS: readonly [RegExp, string][] = [
  [/^\/api\/conversations\/[^/?]+$/, ''],
  [/^\/api\/chat\/[^/?]+\/stream$/, '/chat'],
  [/^\/api\/blobs\/[^/?]+$/, '/blobs'],
];

/** The `fetch` of a client that has a link alone: the share's id, and the secret after `#`. */
export function readOnly(shareId: string, secret: string): typeof fetch {
  const base = `/api/shared/${encodeURIComponent(shareId)}`;
  return (address, init) => {
    const path = String(address);
    const [found, kind] = PATHS.find(([pattern]) => pattern.test(path)) ?? [];
    if (!found || kind === undefined || (init?.method ?? 'GET') !== 'GET') {
      const error = { code: 'forbidden', message: 'A link to a conversation is to read it.', retryable: false };
      return Promise.resolve(Response.json({ error }, { status: 403 }));
    }
    const rest = kind === '' ? '' : path.slice('/api'.length);
    const headers = new Headers(init?.headers);
    headers.delete('Authorization');
    headers.set('X-Headrace-Share', secret);
    return fetch(base + rest, { ...init, headers, credentials: 'omit' });
  };
}
