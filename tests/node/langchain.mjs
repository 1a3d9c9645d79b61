// @langchain/openai with a tool, over both of OpenAI's APIs, whole and streamed.
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { scenario } from "./scenario.mjs";

await scenario(async ({ url, model, said }) => {
  const readLevel = tool(async ({ gate }) => `The ${gate} gate is at 1.2.`, {
    name: "read_level",
    description: "Reads the level of a gate.",
    schema: z.object({ gate: z.string() }),
  });
  const ways = {
    whole: (chat, messages) => chat.invoke(messages),
    streamed: async (chat, messages) => {
      let merged;
      for await (const chunk of await chat.stream(messages)) merged = merged?.concat(chunk) ?? chunk;
      return merged;
    },
  };
  const seen = {};
  for (const useResponsesApi of [false, true]) {
    const configuration = { baseURL: url };
    const options = { model, apiKey: "none", configuration, temperature: 0.5, maxRetries: 0, useResponsesApi };
    const chat = new ChatOpenAI(options).bindTools([readLevel]);
    for (const [way, ask] of Object.entries(ways)) {
      const messages = [new SystemMessage("Be brief."), new HumanMessage(said)];
      let answer = await ask(chat, messages);
      while (answer.tool_calls.length > 0) {
        messages.push(answer);
        for (const call of answer.tool_calls) {
          const content = await readLevel.invoke(call.args);
          messages.push(new ToolMessage({ content, tool_call_id: call.id }));
        }
        answer = await ask(chat, messages);
      }
      seen[`${useResponsesApi ? "responses" : "chat"}, ${way}`] = answer.text;
    }
  }
  return seen;
});
