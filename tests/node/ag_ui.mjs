// AG-UI's client: a run with a tool, one cut again and again with the rest read elsewhere, one joined, one stopped.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";
import { randomUUID } from "node:crypto";
import { scenario } from "./scenario.mjs";

const tools = [
  {
    name: "read_level",
    description: "Reads the level of a gate.",
    parameters: { type: "object", properties: { gate: { type: "string" } } },
  },
];

/** A client that may join the run of its thread. */
class Joining extends HttpAgent {
  connect({ threadId }) {
    const request = () => this.fetch(`${this.url}/${threadId}/stream`, { headers: this.headers });
    return transformHttpEventStream(runHttpRequest(request));
  }
}

/** A fetch whose answers are cut after every `events` events and read on at the other gateway. */
function cutting(elsewhere, events) {
  return async (url, init) => {
    const first = await fetch(url, init);
    const resume = new URL(first.headers.get("location"), elsewhere);
    async function* read() {
      let [response, last] = [first, null];
      for (;;) {
        let [text, count] = ["", 0];
        for await (const bytes of response.body) {
          text += Buffer.from(bytes).toString("latin1");
          const blocks = text.split("\n\n");
          text = blocks.pop();
          for (const block of blocks) {
            yield Buffer.from(`${block}\n\n`, "latin1");
            const id = /^id: (.*)$/m.exec(block);
            if (!id) continue;
            last = id[1];
            if (++count === events) break;
          }
          if (count === events) break;
        }
        if (count < events) return;
        response = await fetch(resume, { headers: { "Last-Event-ID": last } });
        if (response.status === 204) return;
      }
    }
    return new Response(ReadableStream.from(read()), { headers: first.headers });
  };
}

const textOf = (messages) => messages.filter((each) => each.role === "assistant").at(-1)?.content;

const plays = {
  async tool({ url, model, said }) {
    const agent = new HttpAgent({ url, threadId: randomUUID() });
    agent.addMessage({ id: "u1", role: "user", content: said });
    const types = [];
    for (;;) {
      let pending = [];
      await agent.runAgent(
        { tools, forwardedProps: { model } },
        {
          onEvent: ({ event }) => void types.push(event.type),
          onRunFinishedEvent: ({ pendingToolCallIds }) => void (pending = pendingToolCallIds),
        },
      );
      if (pending.length === 0) break;
      for (const id of pending) {
        const call = agent.messages.flatMap((each) => each.toolCalls ?? []).find((each) => each.id === id);
        const { gate } = JSON.parse(call.function.arguments);
        agent.addMessage({
          id: randomUUID(),
          role: "tool",
          toolCallId: id,
          content: `The ${gate} gate is at 1.2.`,
        });
      }
    }
    return { text: textOf(agent.messages), types, roles: agent.messages.map((each) => each.role) };
  },

  async cut({ url, elsewhere, model, said, events }) {
    const agent = new HttpAgent({ url, threadId: randomUUID(), fetch: cutting(elsewhere, events) });
    agent.addMessage({ id: "u1", role: "user", content: said });
    const types = [];
    await agent.runAgent(
      { forwardedProps: { model } },
      { onEvent: ({ event }) => void types.push(event.type) },
    );
    return { text: textOf(agent.messages), types, roles: agent.messages.map((each) => each.role) };
  },

  async joined({ url, elsewhere, model, said }) {
    const threadId = randomUUID();
    const agent = new HttpAgent({ url, threadId });
    agent.addMessage({ id: "u1", role: "user", content: said });
    const other = new Joining({ url: `${elsewhere}/api/ag-ui`, threadId });
    let joined = null;
    const onTextMessageContentEvent = () => void (joined ??= other.connectAgent());
    await agent.runAgent({ forwardedProps: { model } }, { onTextMessageContentEvent });
    await joined;
    return { texts: [textOf(agent.messages), textOf(other.messages)] };
  },

  async stopped({ url, elsewhere, model, said }) {
    const threadId = randomUUID();
    const agent = new HttpAgent({ url, threadId });
    agent.addMessage({ id: "u1", role: "user", content: said });
    let [stopping, last] = [null, null];
    await agent.runAgent(
      { forwardedProps: { model } },
      {
        onTextMessageContentEvent: () =>
          void (stopping ??= fetch(`${elsewhere}/api/ag-ui/${threadId}/stop`, { method: "POST" })),
        onEvent: ({ event }) => void (last = event),
      },
    );
    return { last, text: textOf(agent.messages), receipt: await (await stopping).json() };
  },

  async failed({ url, model, said }) {
    const agent = new HttpAgent({ url, threadId: randomUUID() });
    agent.addMessage({ id: "u1", role: "user", content: said });
    let seen = null;
    await agent
      .runAgent({ forwardedProps: { model } }, { onRunErrorEvent: ({ event }) => void (seen = event) })
      .catch(() => {});
    return { seen, text: textOf(agent.messages) };
  },
};

await scenario(({ play, url, ...rest }) => plays[play]({ url: `${url}/api/ag-ui`, ...rest }));
