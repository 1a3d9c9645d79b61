// One chat completion, streamed or not, and what the client makes of it.
import OpenAI from "openai";
import { scenario } from "./scenario.mjs";

async function streamed(client, request) {
  const stream = client.chat.completions.stream(request);
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks, completion: await stream.finalChatCompletion() };
}

await scenario(async ({ url, request, whole = false, maxRetries = 0 }) => {
  const seen = [];
  const watched = async (...call) => {
    const response = await fetch(...call);
    seen.push(response.status);
    return response;
  };
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries, fetch: watched });
  try {
    if (whole) return { completion: await client.chat.completions.create(request), seen };
    return { ...(await streamed(client, request)), seen };
  } catch (error) {
    const { status, code, type, param, message } = error;
    const headers = Object.fromEntries(error.headers ?? []);
    return { error: { name: error.constructor.name, status, code, type, param, message, headers }, seen };
  }
});
