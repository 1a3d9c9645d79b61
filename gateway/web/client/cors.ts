import { HeadraceError } from './error.js';
import { isOffline } from './network.js';

/** The origin of this page, where the server's is another one; null elsewhere, and outside of a browser. */
function foreignOrigin(baseUrl: string): string | null {
  if (typeof location === 'undefined') return null;
  return new URL(baseUrl || '/', location.href).origin === location.origin ? null : location.origin;
}

/**
 * Why a request got no answer: a browser does not tell a server that is away from one that does not allow this
 * page's origin. Of the latter, answers that nobody may read do arrive, and others do not.
 */
export async function isOriginRefused(ask: typeof fetch, baseUrl: string, signal: AbortSignal): Promise<boolean> {
  if (isOffline() || foreignOrigin(baseUrl) === null) return false;
  const arrives = (mode: RequestMode): Promise<boolean> =>
    ask(`${baseUrl}/livez`, { mode, credentials: 'omit', cache: 'no-store', signal }).then(
      () => true,
      () => false,
    );
  // In this order: a server that has just come back is not taken for one that refuses.
  return !signal.aborted && (await arrives('no-cors')) && !(await arrives('cors'));
}

export function originRefused(cause: unknown): HeadraceError {
  return new HeadraceError(
    `This address may not call the server: set HEADRACE_CORS_ORIGINS=${location.origin} there.`,
    { code: 'origin_refused', retryable: false },
    { cause },
  );
}
