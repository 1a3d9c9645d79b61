import { Backoff } from './backoff.js';
import { HeadraceError, refusal } from './error.js';
import { FrameReader } from './frames.js';
import type { Server } from './server.js';

/** What a server can speak; `GET /api/heartbeat` says it. */
export interface SpeechAbilities {
  formats: string[];
  voices: string[];
}

export interface SpeechOptions {
  signal?: AbortSignal | undefined;
  /** `mp3`, `wav`, `pcm` or `opus`, as far as the server can make it. */
  format?: string | undefined;
  voice?: string | undefined;
  speed?: number | undefined;
  /** What it says, for where the server keeps the reply no more. */
  text?: string | undefined;
}

/** A sentence as it is spoken: *sound* of the characters (Unicode code points) of the text from *start* to *end*. */
export interface SpokenSentence {
  type: 'sentence';
  start: number;
  end: number;
  ms: number;
  sound: Uint8Array<ArrayBuffer>;
}

/** `reset`: all text so far is void, and what was spoken of it; `end` is the last. */
export type SpeechEvent = SpokenSentence | { type: 'reset' } | { type: 'end'; finishReason: string };

interface Wire {
  type: string;
  audio?: string;
  start?: number;
  end?: number;
  ms?: number;
  last?: boolean;
  finish_reason?: string;
  code?: string;
  message?: string;
  retryable?: boolean;
}

/** A broken connection is tried again for so long. */
const GIVE_UP_MS = 60_000;
const RETRY_MS = 500;

/** A reply as it is spoken, while it is written or after. What breaks on the way is resumed where it was. */
export async function* speechOf(
  server: Server,
  generationId: string,
  { signal = new AbortController().signal, text, ...asked }: SpeechOptions,
): AsyncGenerator<SpeechEvent> {
  const query = new URLSearchParams({ stream_format: 'sse' });
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value));
  let path = `/api/chat/${encodeURIComponent(generationId)}/speech?${query}`;
  const backoff = new Backoff(RETRY_MS, GIVE_UP_MS);
  const sentence = new Sentence();
  let after = '';
  let body: unknown;
  while (true) {
    const began = Date.now();
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (after) headers['Last-Event-ID'] = after;
      const response = await server.request(body ? 'POST' : 'GET', path, { headers, signal, body });
      if (response.status === 404 && text && !after && !body) {
        path = '/api/tts/stream';
        body = { text, stream_format: 'sse', ...asked };
        continue;
      }
      if (response.status >= 400) throw await refusal(response);
      // From here on it is this speech, whatever else is asked for.
      const where = response.headers.get('Location');
      if (where) path = `${where}?stream_format=sse`;
      body = undefined;
      for await (const { id, said } of framesOf(response, signal)) {
        const event = sentence.take(said);
        if (id !== null) after = id;
        if (event) yield event;
        if (event?.type === 'end') return;
      }
      throw new HeadraceError('The speech broke off.', { code: 'unreachable', retryable: true });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HeadraceError)) throw error;
      await backoff.wait(error, Date.now() - began, signal);
    }
  }
}

/** Pieces of sound, put together. */
class Sentence {
  #pieces: Uint8Array[] = [];
  #ms = 0;

  take(said: Wire): SpeechEvent | null {
    switch (said.type) {
      case 'audio':
        this.#pieces.push(Uint8Array.from(atob(said.audio ?? ''), (char) => char.charCodeAt(0)));
        this.#ms += said.ms ?? 0;
        return said.last ? this.#whole(said) : null;
      case 'reset':
        this.#pieces = [];
        this.#ms = 0;
        return { type: 'reset' };
      case 'end':
        return { type: 'end', finishReason: said.finish_reason ?? 'stop' };
      case 'error':
        throw new SpeechFailed(said.message ?? 'It could not be spoken.', said.code ?? 'speech_failed');
      default:
        return null;
    }
  }

  #whole({ start = 0, end = 0 }: Wire): SpokenSentence {
    const pieces = this.#pieces;
    const sound = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      sound.set(piece, at);
      at += piece.length;
    }
    const ms = this.#ms;
    this.#pieces = [];
    this.#ms = 0;
    return { type: 'sentence', start, end, ms, sound };
  }
}

class SpeechFailed extends HeadraceError {
  constructor(message: string, code: string) {
    super(message, { code, retryable: false });
  }
}

async function* framesOf(response: Response, signal: AbortSignal): AsyncGenerator<{ id: string | null; said: Wire }> {
  const frames = new FrameReader();
  const reader = response.body?.getReader();
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { id, data } of frames.feed(value)) yield { id, said: JSON.parse(data) as Wire };
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof HeadraceError) throw cause;
    throw new HeadraceError('The speech broke off.', { code: 'unreachable', retryable: true }, { cause });
  } finally {
    reader?.cancel().catch(() => {});
  }
}
