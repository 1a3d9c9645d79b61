// @ai-sdk/openai with a tool, in its default mode and over chat completions, whole and streamed.
import { z } from "zod";
import { scenario } from "./scenario.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const VERSIONS = {
  6: async () => ({ ai: await import("ai-6"), provider: await import("@ai-sdk/openai-3") }),
  7: async () => ({ ai: await import("ai"), provider: await import("@ai-sdk/openai") }),
};

await scenario(async ({ url, model, said, version }) => {
  const { ai, provider } = await VERSIONS[version]();
  const openai = provider.createOpenAI({ baseURL: url, apiKey: "none" });
  const errors = [];
  const options = (chosen, settings) => ({
    model: chosen,
    prompt: said,
    maxRetries: 0,
    stopWhen: ai.stepCountIs(4),
    tools: {
      read_level: ai.tool({
        description: "Reads the level of a gate.",
        inputSchema: z.object({ gate: z.string() }),
        execute: async ({ gate }) => `The ${gate} gate is at 1.2.`,
      }),
    },
    onError: ({ error }) => errors.push(String(error)),
    providerOptions: { openai: settings },
  });
  const ways = {
    responses: [openai(model), { forceReasoning: true, reasoningSummary: "auto", truncation: "auto" }],
    unstored: [openai(model), { store: false, include: ["reasoning.encrypted_content"] }],
    chat: [openai.chat(model), {}],
  };
  const seen = {};
  for (const [name, way] of Object.entries(ways)) {
    const whole = await ai.generateText(options(...way));
    seen[`${name}, whole`] = whole.text;
    const streamed = ai.streamText(options(...way));
    await streamed.consumeStream();
    if (errors.length > 0) throw new Error(errors.join("\n"));
    seen[`${name}, streamed`] = await streamed.text;
  }
  return seen;
});
