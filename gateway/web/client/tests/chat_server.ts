import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Generation, USAGE } from './generation.js';

/** What one stream's connection suffers. */
export interface Fault {
  /** Cut before an answer. */
  refuse?: boolean;
  /** Take the message, then cut before an answer. */
  lose?: boolean;
  status?: number;
  code?: string;
  retryAfter?: string;
  /** Cut after so many bytes of frames. */
  cutAtByte?: number;
  /** End in order after so many frames, as a gateway does that drains. */
  endAfter?: number;
  /** Say nothing more after so many frames. */
  stallAfter?: number;
  /** Leave out that frame. */
  skip?: number;
  /** Say that it is there and nothing else, then end in order. */
  beats?: boolean;
  /** Begin at the beginning, whatever was asked for. */
  repeat?: boolean;
}

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

interface Stored {
  role: 'user' | 'assistant';
  content: string;
  ts: number;
  generation_id: string;
  state?: string;
  finish_reason?: string | null;
  usage?: object;
}

/** Headrace's native API on a real socket, as small as the client needs it, and as broken as a test wants it. */
export class ChatServer {
  readonly asked: Asked[] = [];
  readonly generations = new Map<string, Generation>();
  readonly conversations = new Map<string, Stored[]>();
  /** Accepted while their conversation was being answered. */
  readonly waiting: { generation: Generation; body: Record<string, unknown> }[] = [];
  /** For the next connections that stream: of a generation, by its id, or of new messages, under `POST`. */
  readonly faults = new Map<string, Fault[]>();
  /** What a new message makes. */
  answer: (generation: Generation) => void = () => {};
  down = false;
  locked = false;
  retryMs = 5;
  heartbeatMs = 15_000;
  readonly #sockets = new Map<string, ServerResponse['socket'][]>();
  readonly #keys = new Map<string, string>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async open(): Promise<ChatServer> {
    const server = new ChatServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  add(generation: Generation): Generation {
    this.generations.set(generation.id, generation);
    return generation;
  }

  get latest(): Generation {
    const latest = [...this.generations.values()].at(-1);
    if (!latest) throw new Error('nothing was asked yet');
    return latest;
  }

  active(conversation: string): Generation | undefined {
    const waits = new Set(this.waiting.map(({ generation }) => generation));
    return [...this.generations.values()].find(
      (one) => one.conversation === conversation && !one.ended && !waits.has(one),
    );
  }

  /** Cut everybody off who reads *generation*. */
  cut(generation: Generation): void {
    for (const socket of this.#sockets.get(generation.id) ?? []) socket?.destroy();
  }

  /** A message as if another client had sent it. */
  submit(body: Record<string, unknown>): Generation {
    return this.#say(body, this.add(new Generation(`gen_${randomUUID()}`, String(body.conversation_id))));
  }

  #say(body: Record<string, unknown>, generation: Generation): Generation {
    const { conversation } = generation;
    const messages = this.conversations.get(conversation) ?? [];
    const from = messages.findIndex((message) => message.generation_id === body.replaces);
    const turn = { role: 'user', content: String(body.message), ts: Date.now(), generation_id: generation.id } as const;
    this.conversations.set(conversation, [...(from < 0 ? messages : messages.slice(0, from)), turn]);
    return generation;
  }

  /** It joins the conversation once its turn comes. */
  #wait(body: Record<string, unknown>): Generation {
    const generation = this.add(new Generation(`gen_${randomUUID()}`, String(body.conversation_id)));
    this.waiting.push({ generation, body });
    return generation;
  }

  /** The turn of the first that waits. */
  next(): Generation {
    const first = this.waiting.shift();
    if (!first) throw new Error('nobody waits');
    this.#say(first.body, first.generation);
    return first.generation;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks).toString();
    const path = decodeURIComponent(request.url ?? '');
    const method = request.method ?? '';
    const body = sent ? (JSON.parse(sent) as Record<string, unknown>) : {};
    this.asked.push({ method, path, headers: request.headers, body });
    if (this.down) return request.socket.destroy();
    if (this.locked) return refuse(response, 401, 'unauthorized');
    const [, , kind, id = '', call] = path.split('/');
    if (method === 'POST' && id === 'stream') return this.#create(request, response, body);
    if (kind === 'conversations') return this.#conversation(request, response, id);
    const generation = this.generations.get(id);
    if (!generation) return refuse(response, 404, 'not_found');
    if (call === 'stream') return this.#stream(request, response, generation, id);
    if (call === 'cancel') return this.#cancel(response, generation);
    const { state, text, finishReason: finish_reason } = generation;
    return json(response, 200, { generation_id: id, state, text, finish_reason, usage: USAGE, error: null });
  }

  #create(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): unknown {
    const fault = this.#fault('POST');
    if (fault.refuse) return request.socket.destroy();
    if (fault.status) return refuse(response, fault.status, fault.code ?? 'told_to', fault.retryAfter);
    const key = String(request.headers['idempotency-key']);
    let generation = this.generations.get(this.#keys.get(key) ?? '');
    if (!generation) {
      const busy = this.active(String(body.conversation_id));
      const waits = busy && body.on_busy === 'queue';
      if (busy && !waits) return refuse(response, 409, 'busy', undefined, { generation_id: busy.id });
      generation = waits ? this.#wait(body) : this.submit(body);
      this.#keys.set(key, generation.id);
      this.answer(generation);
    }
    if (fault.lose) return request.socket.destroy();
    this.#follow(response, generation, '', fault);
  }

  #stream(request: IncomingMessage, response: ServerResponse, generation: Generation, id: string): unknown {
    const fault = this.#fault(id);
    if (fault.refuse) return request.socket.destroy();
    if (fault.status) return refuse(response, fault.status, 'told_to', fault.retryAfter);
    if (generation.expired) return refuse(response, 410, 'gone');
    const after = String(request.headers['last-event-id'] ?? '');
    if (generation.ended && after === generation.log.at(-1)?.position) return response.writeHead(204).end();
    this.#follow(response, generation, fault.repeat ? '' : after, fault);
  }

  #follow(response: ServerResponse, generation: Generation, after: string, fault: Fault): void {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'X-Heartbeat-Ms': `${this.heartbeatMs}`,
      'X-Generation-Id': generation.id,
      'X-Conversation-Id': generation.conversation,
    });
    response.write(`retry: ${this.retryMs}\n\n`);
    if (fault.beats) return void response.end(': beat\n\n');
    let next = generation.log.findIndex(({ position }) => position === after) + 1;
    let frames = 0;
    let bytes = 0;
    let place: number | null = null;
    const read = (): void => {
      if (generation.place !== place) {
        place = generation.place;
        response.write(`data: {"type":"queued","content":"","metadata":{"position":${place}}}\n\n`);
      }
      for (; next < generation.log.length; next += 1) {
        if (fault.stallAfter === frames) return;
        if (fault.endAfter === frames) {
          leave();
          return;
        }
        const frame = Buffer.from(generation.log[next]?.frame ?? '');
        frames += 1;
        if (fault.skip === frames - 1) continue;
        const left = (fault.cutAtByte ?? Number.POSITIVE_INFINITY) - bytes;
        bytes += frame.length;
        response.write(frame.subarray(0, Math.max(0, left)));
        if (left < frame.length) {
          generation.readers.delete(read);
          response.write('', () => response.socket?.destroy());
          return;
        }
      }
      if (generation.ended && fault.stallAfter === undefined) leave();
    };
    const leave = (): void => {
      generation.readers.delete(read);
      response.end();
    };
    generation.readers.add(read);
    this.#sockets.set(generation.id, [...(this.#sockets.get(generation.id) ?? []), response.socket]);
    response.on('close', () => generation.readers.delete(read));
    read();
  }

  #cancel(response: ServerResponse, generation: Generation): void {
    const status = generation.ended ? 'already_ended' : 'cancelled';
    if (!generation.ended) generation.end('cancelled');
    const at = this.waiting.findIndex((one) => one.generation === generation);
    if (at >= 0) this.waiting.splice(at, 1);
    json(response, 200, { generation_id: generation.id, status, state: generation.state, usage: USAGE });
  }

  #conversation(request: IncomingMessage, response: ServerResponse, id: string): unknown {
    const turns = this.conversations.get(id);
    if (!turns) return refuse(response, 404, 'not_found');
    const messages = turns.flatMap((turn) => [turn, ...this.#replies(turn)]);
    const active = this.active(id)?.id ?? null;
    const title = messages[0]?.content ?? '';
    const detail = { conversation: { id, title, created_ms: 1, updated_ms: 2, active }, messages };
    const etag = `"${createHash('sha256').update(JSON.stringify(detail)).digest('hex')}"`;
    if (request.headers['if-none-match'] === etag) return response.writeHead(304, { ETag: etag }).end();
    json(response, 200, detail, { ETag: etag });
  }

  #replies(turn: Stored): Stored[] {
    const generation = this.generations.get(turn.generation_id);
    if (!generation?.ended) return [];
    const { id, text, state, finishReason: finish_reason } = generation;
    return [{ role: 'assistant', content: text, ts: turn.ts, generation_id: id, state, finish_reason, usage: USAGE }];
  }

  #fault(of: string): Fault {
    return this.faults.get(of)?.shift() ?? {};
  }
}

function json(response: ServerResponse, status: number, value: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string, retryAfter?: string, detail?: object): void {
  const headers: Record<string, string> = retryAfter === undefined ? {} : { 'Retry-After': retryAfter };
  const retryable = status === 429 || status >= 500;
  json(response, status, { error: { code, message: `It is ${code}.`, retryable, detail } }, headers);
}
