// One response, streamed: read to its end, or left after some events and taken up elsewhere.
import OpenAI from "openai";
import { scenario } from "./scenario.mjs";

const connect = (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

async function whole(client, request) {
  const stream = client.responses.stream(request);
  const events = [];
  for await (const event of stream) events.push(event);
  return { events, response: await stream.finalResponse() };
}

async function broken(client, elsewhere, request, leaveAfter) {
  const events = [];
  const stream = await client.responses.create({ ...request, stream: true, background: true });
  for await (const event of stream) {
    events.push(event);
    if (events.length === leaveAfter) break;
  }
  const left = { id: events[0].response.id, after: events.at(-1).sequence_number };
  const rest = await elsewhere.responses.retrieve(left.id, { stream: true, starting_after: left.after });
  for await (const event of rest) events.push(event);
  return { events, response: await elsewhere.responses.retrieve(left.id) };
}

async function cancelled(client, elsewhere, request) {
  const { id } = await client.responses.create({ ...request, background: true });
  const receipt = await elsewhere.responses.cancel(id);
  return { receipt, again: await client.responses.cancel(id) };
}

await scenario(async ({ url, elsewhere, request, leaveAfter, cancel = false }) => {
  const [here, there] = [connect(url), connect(elsewhere ?? url)];
  if (cancel) return cancelled(here, there, request);
  return leaveAfter ? broken(here, there, request, leaveAfter) : whole(here, request);
});
