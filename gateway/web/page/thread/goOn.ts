import type { ChatMessage } from '../../client/index.js';
import type { UseStreamingChat } from '../../react/useStreamingChat.js';
import type { Words } from '../words/words.ts';

/** Has the model go on with *reply*, which was cut: by asking it to, in the reader's language. */
export function goOn(chat: UseStreamingChat, _reply: ChatMessage, words: Words): Promise<void> {
  return chat.sendMessage(words.goOnMessage);
}
