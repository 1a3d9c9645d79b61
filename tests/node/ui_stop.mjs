// Hang up, come back, and stop: only the last of these ends the answer.
import { Chat, textOf } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

await scenario(async ({ said, url, elsewhere, ...options }) => {
  const chat = new Chat({ url, ...options });
  const sent = chat.sendMessage(said);
  await chat.until((message) => textOf(message));
  await chat.stop();
  await sent;
  const hungUp = chat.report({ text: chat.text });

  const resumed = chat.resumeStream();
  await chat.until((message) => textOf(message).length > hungUp.text.length);
  const stop = await fetch(`${elsewhere}/api/ui/chat/${chat.id}/stop`, { method: "POST" });
  const receipt = await stop.json();
  await resumed;
  const stopped = chat.report({ text: chat.text });

  await chat.resumeStream();
  const again = await fetch(`${url}/api/ui/chat/${chat.id}/stop`, { method: "POST" });
  return chat.report({ hungUp, receipt, stopped, again: again.status, text: chat.text });
});
