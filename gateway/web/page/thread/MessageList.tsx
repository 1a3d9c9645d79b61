/** A conversation's messages, of which only those near the view are in the page. */
import { type Ref, type RefObject, useMemo } from 'react';
import { Virtualizer, type VirtualizerHandle } from 'virtua';
import type { UseStreamingChat } from '../../react/useStreamingChat.js';
import { usePrinting } from '../app/printing.ts';
import { Message } from './Message.tsx';
import type { MessageActions } from './messageProps.ts';

interface MessageListProps {
  chat: UseStreamingChat;
  list: Ref<VirtualizerHandle>;
  scroller: RefObject<HTMLElement | null>;
  editing: string | null;
  /** The message that was looked for. */
  found: string | null;
  isReadOnly: boolean;
  actions: MessageActions;
}

export function MessageList({ chat, list, scroller, editing, found, isReadOnly, actions }: MessageListProps) {
  const { messages, isStreaming, queuePlace, tokensPerSecond } = chat;
  const live = useMemo(() => ({ queuePlace, tokensPerSecond }), [queuePlace, tokensPerSecond]);
  const lastIndex = messages.length - 1;
  const editingIndex = messages.findIndex((message) => message.id === editing);
  // Half-written text must not scroll away, nor the reply that a caret stands in.
  const keptMounted = [editingIndex, isStreaming ? lastIndex : -1].filter((index) => index >= 0);
  const isPrinting = usePrinting();
  return (
    <Virtualizer
      ref={list}
      as="ol"
      item="li"
      scrollRef={scroller}
      data={messages}
      bufferSize={600}
      keepMounted={isPrinting ? [...messages.keys()] : keptMounted}
    >
      {(message, index) => (
        <Message
          key={message.id}
          message={message}
          isLast={index === lastIndex}
          isEditing={message.id === editing}
          isFound={message.id === found}
          canAct={!isStreaming && !isReadOnly}
          live={isStreaming && index === lastIndex ? live : null}
          actions={actions}
        />
      )}
    </Virtualizer>
  );
}
