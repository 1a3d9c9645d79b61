import { createParser } from 'eventsource-parser';
import { HeadraceError } from './error.js';

/** One server-sent event. */
export interface Frame {
  data: string;
  event: string;
  /** The id that the event itself carried; null where it had none. */
  id: string | null;
}

const MAX_FRAME_CHARS = 4 * 1024 * 1024;

/**
 * Bytes in, whole frames out, wherever the network cuts the bytes.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class FrameReader {
  /** The last id the stream has named, also by an event without data. */
  lastEventId = '';
  /** How long the stream said to wait before a reconnect. */
  retryMs: number | null = null;
  /** It leaves the byte order mark to the parser: only one may be taken away. */
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #frames: Frame[] = [];
  #overflow: Error | null = null;
  readonly #parser;

  constructor(onComment?: (comment: string) => void) {
    this.#parser = createParser({
      maxBufferSize: MAX_FRAME_CHARS,
      onId: (id) => {
        this.lastEventId = id;
      },
      onEvent: ({ data, event, id }) => {
        this.#frames.push({ data, event: event ?? 'message', id: id ?? null });
      },
      onRetry: (retryMs) => {
        this.retryMs = retryMs;
      },
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#overflow = error;
      },
      ...(onComment && { onComment }),
    });
  }

  /** The frames that *bytes* complete. */
  feed(bytes: Uint8Array): Frame[] {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    if (this.#overflow) {
      const facts = { code: 'invalid_frame', retryable: false };
      throw new HeadraceError('The server sent a frame without end.', facts, { cause: this.#overflow });
    }
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }
}
