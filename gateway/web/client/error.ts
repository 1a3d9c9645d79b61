/** What a failed generation, a refused request or a server that stays away comes down to. */
export interface ErrorFacts {
  /** The server's own word for it (`busy`, `too_busy`, `gone`, …), or `unreachable`, `origin_refused`, `silent`, `cut`, `gap`, `invalid_frame`. */
  code: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  status?: number | undefined;
  /** How long the server asked to be left alone. */
  retryAfterMs?: number | undefined;
  /** The part of the request at fault. */
  field?: string | undefined;
  /** Further facts: of a busy conversation the active generation, of an expired log where its text is. */
  detail?: Readonly<Record<string, string>> | undefined;
}

export class HeadraceError extends Error implements ErrorFacts {
  override readonly name = 'HeadraceError';
  readonly code: string;
  readonly retryable: boolean;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly field: string | undefined;
  readonly detail: Readonly<Record<string, string>>;

  constructor(message: string, facts: ErrorFacts, options?: ErrorOptions) {
    super(message, options);
    this.code = facts.code;
    this.retryable = facts.retryable;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
    this.field = facts.field;
    this.detail = facts.detail ?? {};
  }
}

const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The error that an answer of 400 or above describes, whoever between here and the server wrote it. */
export async function refusal(response: Response): Promise<HeadraceError> {
  const said = await body(response);
  return new HeadraceError(text(said.message) ?? `The server answered ${response.status}.`, {
    code: text(said.code) ?? 'http_error',
    retryable: typeof said.retryable === 'boolean' ? said.retryable : PASSING.has(response.status),
    status: response.status,
    retryAfterMs: retryAfterMs(response.headers.get('Retry-After')),
    field: text(said.field),
    detail: details(said.detail),
  });
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const trimmed = header.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000;
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

async function body(response: Response): Promise<Record<string, unknown>> {
  try {
    const answer: unknown = await response.json();
    return record(record(answer).error);
  } catch {
    return {};
  }
}

function details(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(record(value)).map(([name, fact]) => [name, String(fact)]));
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
