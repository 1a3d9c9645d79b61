import type { Words } from '../words/words.ts';

export type FailureKind = keyof Words['failures'];

const KINDS: Record<string, FailureKind> = {
  unreachable: 'network',
  silent: 'network',
  cut: 'network',
  gap: 'network',
  unavailable: 'unavailable',
  too_busy: 'tooBusy',
  queue_timeout: 'tooBusy',
  busy: 'busy',
  unauthorized: 'unauthorized',
  forbidden: 'unauthorized',
  not_found: 'notFound',
  deleted: 'deleted',
  gone: 'gone',
  too_large: 'tooLarge',
  invalid_request: 'invalid',
  idempotency_mismatch: 'invalid',
  upstream_rejected: 'invalid',
  unknown_model: 'model',
  model_not_found: 'model',
  upstream_failed: 'upstream',
  upstream_refused: 'upstream',
  upstream_broke: 'upstream',
  upstream_invalid: 'upstream',
  upstream_rate_limited: 'upstreamBusy',
  first_token_timeout: 'timeout',
  between_tokens_timeout: 'timeout',
  total_timeout: 'timeout',
  worker_lost: 'lost',
  attempts_exhausted: 'lost',
  log_too_large: 'lost',
};

/** What an error code means to a reader. */
export function failureKind(code: string): FailureKind {
  return KINDS[code] ?? 'other';
}
