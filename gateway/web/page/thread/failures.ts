import type { ChatMessage } from '../../client/index.js';
import type { Words } from '../words/words.ts';

export type FailureKind = keyof Words['failures'];
export type EndingKind = keyof Words['endings'];

/** Every code that the server and the client have; `other` is for what has no next step of its own. */
export const KINDS: Readonly<Record<string, FailureKind>> = {
  unreachable: 'network',
  silent: 'network',
  cut: 'network',
  gap: 'network',
  moved: 'network',
  turn: 'network',
  request_timeout: 'network',
  origin_refused: 'origin',
  unavailable: 'unavailable',
  too_busy: 'tooBusy',
  queue_timeout: 'tooBusy',
  rate_limited: 'tooBusy',
  overloaded: 'tooBusy',
  budget_spent: 'budget',
  busy: 'busy',
  resumable: 'busy',
  conflict: 'busy',
  unauthorized: 'unauthorized',
  access_ended: 'unauthorized',
  forbidden: 'forbidden',
  insufficient_scope: 'forbidden',
  not_found: 'notFound',
  previous_response_not_found: 'notFound',
  gone: 'gone',
  too_large: 'tooLarge',
  invalid_request: 'invalid',
  idempotency_mismatch: 'invalid',
  unsupported_media_type: 'invalid',
  method_not_allowed: 'invalid',
  not_continuable: 'notContinuable',
  model_cannot_continue: 'notContinuable',
  upstream_rejected: 'rejected',
  context_length_exceeded: 'contextLength',
  upstream_unauthorized: 'upstreamKey',
  insufficient_quota: 'upstreamQuota',
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
  log_too_large: 'replyTooLong',
  nothing_to_say: 'other',
  speech_too_long: 'other',
  speech_failed: 'other',
  speech_unavailable: 'other',
  range_not_satisfiable: 'other',
  internal: 'internal',
  failed: 'internal',
  http_error: 'other',
  invalid_answer: 'other',
  invalid_frame: 'other',
  closed: 'other',
  stale: 'other',
  stopped: 'other',
  taken: 'other',
};

/** What an error code means to a reader, who has seen something of the reply or not. */
export function failureKind(code: string, isBegun: boolean): FailureKind {
  const kind = KINDS[code] ?? 'other';
  return kind === 'upstream' && !isBegun ? 'noAnswer' : kind;
}

/** What there is to say of a reply that did not fail; null where it speaks for itself. */
export function endingOf({ state, finishReason, content, toolCalls, parts }: ChatMessage): EndingKind | null {
  if (state !== 'done') return null;
  if (finishReason === 'length') return content === '' ? 'lengthEmpty' : 'length';
  if (finishReason === 'content_filter') return 'filtered';
  return finishReason === 'stop' && content === '' && !toolCalls?.length && !parts?.length ? 'empty' : null;
}
