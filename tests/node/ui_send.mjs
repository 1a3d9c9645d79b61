// Send messages one after another, and read each answer to its end.
import { Chat } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

await scenario(async ({ said, ...options }) => {
  const chat = new Chat(options);
  for (const message of said) await chat.sendMessage(message);
  return chat.report();
});
