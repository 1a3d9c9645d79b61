// Chats whose connections break are resumed at another address, all at the same time.
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
  const chats = Array.from({ length: count }, (_, run) => ({ id: `run${run}`, ...options }));
  return Promise.all(chats.map(broken));
});
