// @openai/agents with a tool, over both of OpenAI's APIs, whole and streamed.
import {
  Agent,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  run,
  setTracingDisabled,
  tool,
} from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { scenario } from "./scenario.mjs";

await scenario(async ({ url, model, said }) => {
  setTracingDisabled(true);
  const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const readLevel = tool({
    name: "read_level",
    description: "Reads the level of a gate.",
    parameters: z.object({ gate: z.string() }),
    execute: async ({ gate }) => `The ${gate} gate is at 1.2.`,
  });
  const seen = {};
  for (const [name, Model] of [
    ["chat", OpenAIChatCompletionsModel],
    ["responses", OpenAIResponsesModel],
  ]) {
    const agent = new Agent({
      name: "Keeper",
      instructions: "Be brief.",
      model: new Model(client, model),
      modelSettings: { temperature: 0.5, truncation: "auto", reasoning: { effort: "low", summary: "auto" } },
      tools: [readLevel],
    });
    seen[`${name}, whole`] = (await run(agent, said)).finalOutput;
    const streamed = await run(agent, said, { stream: true });
    for await (const _ of streamed);
    await streamed.completed;
    seen[`${name}, streamed`] = streamed.finalOutput;
  }
  return seen;
});
