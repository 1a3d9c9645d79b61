// One chat completion, streamed, and what the client makes of it.
import OpenAI from "openai";
import { scenario } from "./scenario.mjs";

await scenario(async ({ url, request }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  try {
    const stream = client.chat.completions.stream(request);
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return { chunks, completion: await stream.finalChatCompletion() };
  } catch (error) {
    const { status, code, type, param, message } = error;
    return { error: { name: error.constructor.name, status, code, type, param, message } };
  }
});
