// A tool of the page's own: the model calls it, the page answers, the model goes on.
import { lastAssistantMessageIsCompleteWithToolCalls } from "ai";
import { Chat } from "./chat.mjs";
import { scenario } from "./scenario.mjs";

await scenario(async ({ said, output, body, ...options }) => {
  const chat = new Chat({ ...options, transport: { body } });
  await chat.sendMessage(said);
  const called = chat.report();
  const part = chat.lastMessage.parts.find((each) => each.type.startsWith("tool-"));
  await chat.addToolOutput({ tool: part.type.slice(5), toolCallId: part.toolCallId, output });
  const complete = lastAssistantMessageIsCompleteWithToolCalls({ messages: chat.messages });
  await chat.sendMessage();
  return chat.report({ called, complete });
});
