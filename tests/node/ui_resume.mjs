// Chats whose connection breaks are resumed at another address, one chat after another.
import { Chat } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

async function broken({ said, elsewhere, ended, ...options }) {
  let query = "";
  const api = (id) => `${elsewhere}/api/ui/chat/${id}/stream${query}`;
  const chat = new Chat({
    ...options,
    transport: { prepareReconnectToStreamRequest: ({ id }) => ({ api: api(id) }) },
  });
  await chat.sendMessage(said);
  const cut = chat.report({ text: chat.text });
  if (ended) query = `?message_id=${chat.lastMessage.id}`;
  await chat.resumeStream();
  return chat.report({ cut, text: chat.text });
}

await scenario(async ({ count, ...options }) => {
  const runs = [];
  for (let run = 0; run < count; run += 1) runs.push(await broken({ id: `run${run}`, ...options }));
  return runs;
});
