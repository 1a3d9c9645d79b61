/** A generation of the test's server: its log, written by the test. */
export class Generation {
  /** Positions and frames, as they are on the wire. */
  readonly log: { position: string; frame: string }[] = [];
  readonly readers = new Set<() => void>();
  state: 'running' | 'done' | 'failed' | 'cancelled' = 'running';
  finishReason: string | null = null;
  text = '';
  expired = false;
  place: number | null = null;
  #attempt = 1;
  #seq = 0;

  constructor(
    readonly id: string,
    readonly conversation: string,
  ) {}

  static recorded(id: string, stream: string): Generation {
    const generation = new Generation(id, 'recorded');
    for (const frame of stream.split('\n\n').filter((part) => part.startsWith('id: '))) {
      const position = frame.slice(4, frame.indexOf('\n'));
      generation.log.push({ position, frame: `${frame}\n\n` });
    }
    generation.state = 'done';
    return generation;
  }

  get ended(): boolean {
    return this.state !== 'running';
  }

  start(model = 'test'): this {
    return this.#write('start', '', { model }, { generation_id: this.id });
  }

  chunk(...texts: string[]): this {
    for (const text of texts) {
      this.text += text;
      this.#write('chunk', text, { model: 'test', tokens: 1 });
    }
    return this;
  }

  reasoning(text: string): this {
    return this.#write('reasoning', text, { model: 'test', tokens: 1 });
  }

  toolCall(call: object): this {
    return this.#write('tool_call', '', { tool_call: call });
  }

  /** A further attempt that begins anew. */
  reset(): this {
    this.text = '';
    this.nextAttempt();
    return this.#write('reset', '', { reason: 'worker_lost' });
  }

  nextAttempt(): this {
    this.#attempt += 1;
    this.#seq = 0;
    return this;
  }

  /** Whatever *frame* makes of the next position, or of none. */
  raw(frame: (position: string) => string, isLogged = true): this {
    const position = `${this.#attempt}-${this.#seq}`;
    if (isLogged) this.#seq += 1;
    this.log.push({ position: isLogged ? position : 'none', frame: frame(position) });
    this.#wake();
    return this;
  }

  end(reason = 'stop'): this {
    this.state = reason === 'cancelled' ? 'cancelled' : 'done';
    this.finishReason = reason;
    const by = reason === 'cancelled' ? { reason: 'user' } : {};
    return this.#write('end', '', { finish_reason: reason, usage: USAGE, ...by });
  }

  fail(code: string, message: string, retryable = true): this {
    this.state = 'failed';
    this.finishReason = 'error';
    return this.#write('error', message, { code, retryable, usage: USAGE });
  }

  queued(place: number): this {
    this.place = place;
    this.#wake();
    return this;
  }

  #write(type: string, content: string, metadata: object, beside: object = {}): this {
    const position = `${this.#attempt}-${this.#seq}`;
    this.#seq += 1;
    const timestamp = new Date().toISOString();
    const data = { type, content, conversation_id: this.conversation, ...beside, timestamp, metadata };
    this.log.push({ position, frame: `id: ${position}\ndata: ${JSON.stringify(data)}\n\n` });
    this.#wake();
    return this;
  }

  #wake(): void {
    for (const reader of [...this.readers]) reader();
  }
}

export const USAGE = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
