import { type AppendMessage, type ThreadMessageLike, useExternalStoreRuntime } from '@assistant-ui/react';
import type { ChatMessage } from 'headrace';
import { type StreamingChatOptions, useStreamingChat } from 'headrace/react';

/**
 * A runtime for assistant-ui whose messages, stop, edits and retries are Headrace's: what breaks is resumed, and a
 * reply goes on whoever reads it.
 */
export function useHeadraceRuntime(options: StreamingChatOptions = {}) {
  const chat = useStreamingChat(options);
  return useExternalStoreRuntime<ChatMessage>({
    messages: [...chat.messages],
    isRunning: chat.isStreaming,
    convertMessage,
    onNew: (message) => chat.sendMessage(textOf(message)),
    onEdit: async (message) => void (message.sourceId && (await chat.editMessage(message.sourceId, textOf(message)))),
    onReload: async (parentId) => {
      const at = chat.messages.findIndex(({ id }) => id === parentId);
      await chat.regenerate(chat.messages[at + 1]?.id);
    },
    onCancel: chat.stopStream,
  });
}

function convertMessage({ id, role, content, createdAt, state, reasoning, error }: ChatMessage): ThreadMessageLike {
  const said = { type: 'text', text: content } as const;
  if (role !== 'assistant') return { id, role, content: [said], createdAt: new Date(createdAt) };
  const thought = reasoning ? [{ type: 'reasoning', text: reasoning } as const] : [];
  const ends = {
    done: { type: 'complete', reason: 'stop' },
    failed: { type: 'incomplete', reason: 'error', error: error?.message ?? '' },
    cancelled: { type: 'incomplete', reason: 'cancelled' },
  } as const;
  const status = state in ends ? ends[state as keyof typeof ends] : ({ type: 'running' } as const);
  return { id, role, content: [...thought, said], createdAt: new Date(createdAt), status };
}

function textOf({ content }: AppendMessage): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}
