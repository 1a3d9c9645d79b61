import type { ChatMessage } from '../../client/index.js';
import type { UseStreamingChat } from '../../react/useStreamingChat.js';
import type { Words } from '../words/words.ts';

/** Has the model go on with *reply*, which was cut: from its text, or by asking it to in the reader's language. */
export async function goOn(chat: UseStreamingChat, reply: ChatMessage, words: Words): Promise<void> {
  if (!(await chat.continueReply(reply.id))) await chat.sendMessage(words.goOnMessage);
}
