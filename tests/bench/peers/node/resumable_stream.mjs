// Vercel's resumable-stream: what an upstream sends passes through, and is published and kept for readers that
// come back, as its README shows it. Arguments: a port, the upstream's base URL, the broker's unix socket.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createClient } from "redis";
import { createResumableStreamContext } from "resumable-stream";

const [port, upstream, broker] = process.argv.slice(2);

function connected() {
  return createClient({ socket: { path: broker } }).connect();
}

const streams = createResumableStreamContext({
  waitUntil: null,
  publisher: await connected(),
  subscriber: await connected(),
});

async function bodyOf(request) {
  let body = "";
  for await (const piece of request) body += piece;
  return JSON.parse(body);
}

async function chat(request, response) {
  const { message } = await bodyOf(request);
  const answer = await fetch(`${upstream}/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: "fake", stream: true, messages: [{ role: "user", content: message }] }),
  });
  const stream = await streams.createNewResumableStream(randomUUID(), () =>
    answer.body.pipeThrough(new TextDecoderStream()),
  );
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for await (const text of stream) response.write(text);
  response.end();
}

const server = createServer((request, response) => {
  chat(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
