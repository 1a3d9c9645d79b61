// A chat as `useChat` keeps one, in memory instead of in a page, and what the scenarios share.
import { AbstractChat, DefaultChatTransport } from "ai";

class MemoryState {
  status = "ready";
  error = undefined;

  constructor(messages) {
    this.messages = messages;
  }

  pushMessage = (message) => {
    this.messages = this.messages.concat(message);
  };

  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, this.snapshot(message));
  };

  snapshot = (thing) => structuredClone(thing);
}

/** A chat that remembers its errors, its transient data parts and how each answer finished. */
export class Chat extends AbstractChat {
  errors = [];
  data = [];
  finishes = [];

  constructor({ url, messages = [], transport = {}, ...options }) {
    const seen = { errors: [], data: [], finishes: [] };
    super({
      ...options,
      state: new MemoryState(messages),
      transport: new DefaultChatTransport({ api: `${url}/api/ui/chat`, ...transport }),
      onError: (error) => seen.errors.push(`${error.name}: ${error.message}`),
      onData: (part) => seen.data.push(part),
      onFinish: ({ finishReason, isAbort, isDisconnect, isError }) =>
        seen.finishes.push({ finishReason, isAbort, isDisconnect, isError }),
    });
    Object.assign(this, seen);
  }

  get text() {
    return textOf(this.lastMessage);
  }

  /** Resolves once the last message satisfies *predicate*. */
  async until(predicate) {
    while (!(this.lastMessage?.role === "assistant" && predicate(this.lastMessage))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** What a scenario prints. */
  report(extra = {}) {
    const { id, status, messages, errors, data, finishes } = this;
    return { id, status, messages, errors, data, finishes, ...extra };
  }
}

export function textOf(message) {
  return (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
}
