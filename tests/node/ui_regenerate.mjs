// Send a message, then ask for another answer to it.
import { Chat } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

await scenario(async ({ said, again, ...options }) => {
  const chat = new Chat(options);
  await chat.sendMessage(said);
  const first = chat.lastMessage;
  await chat.regenerate({ messageId: first.id, body: again });
  return chat.report({ first });
});
