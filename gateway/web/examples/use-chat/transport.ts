import { DefaultChatTransport, type UIMessage } from 'ai';

interface Options {
  /** Where Headrace is; a page of the same origin needs none. */
  baseUrl?: string;
  apiKey?: string;
  /** Beside the chat: `model`, `max_tokens`, …. */
  body?: Record<string, unknown>;
}

const RETRY_MS = 1_000;
const GIVE_UP_MS = 300_000;

/**
 * A transport for the AI SDK's `useChat`: a connection that breaks is made again after the last event that came, and
 * stopping stops the reply itself, on whichever page it is read.
 */
export class HeadraceTransport<M extends UIMessage = UIMessage> extends DefaultChatTransport<M> {
  readonly #api: string;
  readonly #headers: Record<string, string>;

  constructor({ baseUrl = '', apiKey, body }: Options = {}) {
    const api = `${baseUrl}/api/ui/chat`;
    const headers: Record<string, string> = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
    super({ api, headers, ...(body && { body }), fetch: resuming(api, headers) });
    this.#api = api;
    this.#headers = headers;
  }

  override sendMessages(options: Parameters<DefaultChatTransport<M>['sendMessages']>[0]) {
    // The SDK's own stop only hangs up.
    options.abortSignal?.addEventListener('abort', () => void this.stop(options.chatId), { once: true });
    return super.sendMessages(options);
  }

  /** Stops what answers the chat, also a reply that this page has come back to. */
  async stop(chatId: string): Promise<void> {
    const url = `${this.#api}/${encodeURIComponent(chatId)}/stop`;
    await fetch(url, { method: 'POST', headers: this.#headers, keepalive: true });
  }
}

/** A `fetch` whose streams go on where they broke off. */
function resuming(api: string, headers: Record<string, string>): typeof fetch {
  return async (input, init) => {
    const first = await fetch(input, init);
    const generation = first.headers.get('X-Generation-Id');
    const chat = first.headers.get('X-Conversation-Id');
    if (!first.ok || !first.body || !generation || !chat) return first;
    const url = `${api}/${encodeURIComponent(chat)}/stream?message_id=${encodeURIComponent(generation)}`;
    const again = (last: string) =>
      fetch(url, {
        headers: { ...headers, Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) },
        signal: init?.signal ?? null,
      });
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => follow(first.body as ReadableStream<Uint8Array>, again, controller, init?.signal),
    });
    return new Response(body, { status: first.status, headers: first.headers });
  };
}

/** Hands on whole events, up to `[DONE]`, whatever happens to the connections that bring them. */
async function follow(
  first: ReadableStream<Uint8Array>,
  again: (last: string) => Promise<Response>,
  controller: ReadableStreamDefaultController<Uint8Array>,
  signal?: AbortSignal | null,
): Promise<void> {
  const encoder = new TextEncoder();
  let body: ReadableStream<Uint8Array> | null = first;
  let last = '';
  let progressed = Date.now();
  while (true) {
    try {
      let rest = '';
      for await (const read of texts(body)) {
        const events = (rest + read).split('\n\n');
        rest = events.pop() ?? '';
        for (const event of events) {
          last = /^id: (.*)$/m.exec(event)?.[1] ?? last;
          controller.enqueue(encoder.encode(`${event}\n\n`));
          progressed = Date.now();
          if (/^data: \[DONE\]$/m.test(event)) return controller.close();
        }
      }
    } catch {
      // As below.
    }
    body = null;
    while (!body) {
      if (signal?.aborted) return controller.error(signal.reason);
      if (Date.now() - progressed > GIVE_UP_MS) return controller.error(new Error('The reply cannot be reached.'));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      const response = await again(last).catch(() => null);
      // Nothing follows, or not any more.
      if (response?.status === 204 || response?.status === 404) return controller.close();
      if (response?.ok) body = response.body;
    }
  }
}

async function* texts(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  if (!body) return;
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    yield decoder.decode(part.value, { stream: true });
  }
}
