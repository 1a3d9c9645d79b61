import { isOriginRefused, originRefused } from './cors.js';
import { HeadraceError, refusal } from './error.js';
import { Sharing } from './sharing.js';

export interface ServerOptions {
  /** Where Headrace is; a page that Headrace serves itself needs none. */
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
  fetch?: typeof fetch | undefined;
  /** Whether pages of one browser share the stream of a reply; in browsers they do. */
  share?: boolean | undefined;
}

export interface Call {
  body?: unknown;
  /** Sent as it is, in place of a body. */
  file?: Blob;
  headers?: Record<string, string>;
  signal: AbortSignal;
}

/** One server: its address, its key, and how to ask it. */
export class Server {
  readonly #baseUrl: string;
  readonly #fetch: typeof fetch;
  readonly sharing: Sharing | null;
  /** It has answered once: this page's origin may call it. */
  #isHeard = false;
  /** May change: a page asks for it after the first 401. */
  apiKey: string | undefined;

  constructor(options: ServerOptions) {
    this.#baseUrl = (options.baseUrl ?? '').replace(/\/+$/, '');
    this.apiKey = options.apiKey;
    const { share = typeof window !== 'undefined' && typeof BroadcastChannel !== 'undefined' } = options;
    this.sharing = share ? new Sharing() : null;
    const given = options.fetch;
    this.#fetch = given ?? ((...call) => fetch(...call));
  }

  /** Tells apart what was written for different servers, or under different keys, without saying the key. */
  get scope(): string {
    let hash = 0x811c9dc5;
    for (const char of this.apiKey ?? '') hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
    return `${this.#baseUrl} ${hash.toString(36)}`;
  }

  /** The answer, whatever its status. Throws `unreachable`, `origin_refused`, or the signal's reason. */
  async request(method: string, path: string, { body, file, headers, signal }: Call): Promise<Response> {
    const sent = new Headers(headers);
    if (this.apiKey) sent.set('Authorization', `Bearer ${this.apiKey}`);
    if (body !== undefined) sent.set('Content-Type', 'application/json');
    if (file) sent.set('Content-Type', 'application/octet-stream');
    const content = file ?? (body === undefined ? null : JSON.stringify(body));
    try {
      const response = await this.#fetch(this.#baseUrl + path, {
        method,
        headers: sent,
        body: content,
        signal,
        cache: 'no-store',
      });
      this.#isHeard = true;
      return response;
    } catch (cause) {
      signal.throwIfAborted();
      const isRefused = !this.#isHeard && (await isOriginRefused(this.#fetch, this.#baseUrl, signal));
      signal.throwIfAborted();
      if (isRefused) throw originRefused(cause);
      throw new HeadraceError('The server cannot be reached.', { code: 'unreachable', retryable: true }, { cause });
    }
  }

  /** The answer, read to its end. Throws what the server says above 399. */
  async answer(method: string, path: string, call: Call): Promise<{ response: Response; text: string }> {
    const response = await this.request(method, path, call);
    if (response.status >= 400) throw await refusal(response);
    try {
      return { response, text: await response.text() };
    } catch (cause) {
      call.signal.throwIfAborted();
      throw new HeadraceError('The answer broke off.', { code: 'unreachable', retryable: true }, { cause });
    }
  }
}
