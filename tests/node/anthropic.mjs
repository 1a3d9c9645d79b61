// Anthropic's client with a tool: whole, streamed, and cut in mid-stream with the rest read elsewhere.
import Anthropic from "@anthropic-ai/sdk";
import { scenario } from "./scenario.mjs";

const tools = [
  {
    name: "read_level",
    description: "Reads the level of a gate.",
    input_schema: { type: "object", properties: { gate: { type: "string" } } },
  },
];

await scenario(async ({ url, model, said }) => {
  const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const ways = {
    whole: (request) => client.messages.create(request),
    streamed: (request) => client.messages.stream(request).finalMessage(),
  };
  const seen = {};
  for (const [way, ask] of Object.entries(ways)) {
    const messages = [{ role: "user", content: said }];
    for (;;) {
      const message = await ask({ model, max_tokens: 1000, tools, messages });
      if (message.stop_reason !== "tool_use") {
        seen[way] = message.content.map((block) => block.text).join("");
        break;
      }
      messages.push({ role: "assistant", content: message.content });
      messages.push({
        role: "user",
        content: message.content
          .filter((block) => block.type === "tool_use")
          .map(({ id, input }) => ({
            type: "tool_result",
            tool_use_id: id,
            content: `The ${input.gate} gate is at 1.2.`,
          })),
      });
    }
  }
  return seen;
});
