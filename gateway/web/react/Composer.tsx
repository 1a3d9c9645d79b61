import { type ReactNode, useRef } from 'react';
import { Composer as PageComposer } from '../page/composer/Composer.js';
import type { UseStreamingChat } from './useStreamingChat.js';

export interface ComposerProps {
  chat: UseStreamingChat;
  /** Beside the button: a choice of models, for example. */
  children?: ReactNode;
}

/** Where the next message of a chat is written, as the chat page has it. */
export function Composer({ chat, children }: ComposerProps): ReactNode {
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <div className="headrace">
      <PageComposer
        field={field}
        draftKey={chat.conversationId}
        isStreaming={chat.isStreaming}
        onUpload={chat.upload}
        onSend={(text, parts) => void chat.sendMessage(text, { parts, onBusy: 'queue' })}
        onStop={() => void chat.stopStream()}
      >
        {children}
      </PageComposer>
    </div>
  );
}
