import { type ReactNode, useRef } from 'react';
import { LinkGuard } from '../page/dialogs/LinkGuard.js';
import { ChatThread } from '../page/thread/Thread.js';
import type { UseStreamingChat } from './useStreamingChat.js';

export interface ThreadProps {
  chat: UseStreamingChat;
}

/** A chat's messages as the chat page shows them, in a view that scrolls; as large as what it is in. */
export function Thread({ chat }: ThreadProps): ReactNode {
  const root = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <div ref={root} className="headrace headrace-thread">
      <LinkGuard>
        <ChatThread
          key={chat.conversationId}
          chat={chat}
          draftKey={chat.conversationId}
          models={[]}
          model={undefined}
          field={field}
          hasComposer={false}
          within={root}
          onModel={ignore}
          onTitle={ignore}
          onTurn={ignore}
        />
      </LinkGuard>
    </div>
  );
}

const ignore = (): void => {};
