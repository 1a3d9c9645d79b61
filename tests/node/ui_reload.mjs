// A page that is loaded while an answer is under way, or while none is.
import { Chat } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

await scenario(async (options) => {
  const chat = new Chat(options);
  await chat.resumeStream();
  return chat.report({ text: chat.text });
});
