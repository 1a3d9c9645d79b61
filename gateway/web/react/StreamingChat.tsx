import { type ReactNode, useCallback, useMemo, useRef, useState } from 'react';
import { HeadraceClient } from '../client/index.js';
import { IconButton } from '../page/app/IconButton.js';
import { PlusIcon } from '../page/app/icons.js';
import { LimitProvider, useLimit } from '../page/composer/limit.js';
import { LinkGuard } from '../page/dialogs/LinkGuard.js';
import { Thread } from '../page/thread/Thread.js';
import { useWords } from '../page/words/words.js';
import { useKeptConversation } from './useKeptConversation.js';
import type { StreamingChatOptions } from './useStreamingChat.js';

export interface StreamingChatProps extends StreamingChatOptions {
  className?: string | undefined;
  /** Otherwise as the system has it. */
  theme?: 'light' | 'dark' | undefined;
  /**
   * Under which name this browser remembers the conversation, where no `conversationId` says which it is. By
   * default that of the server; null forgets it with the page.
   */
  storageKey?: string | null | undefined;
}

/**
 * A whole chat in one element, as the chat page has it: needs `headrace/styles.css`. It fills the element that it
 * is in, or else the window. Without a `conversationId` it keeps its conversation over a reload, until its reader
 * begins a new one.
 */
export function StreamingChat(props: StreamingChatProps): ReactNode {
  const { className, theme, baseUrl, apiKey, model, conversationId, onConversation } = props;
  const words = useWords();
  const client = useMemo(
    () => props.client ?? new HeadraceClient({ baseUrl, apiKey }),
    [props.client, baseUrl, apiKey],
  );
  const kept = useKeptConversation(
    props.storageKey === undefined ? `headrace.chat ${baseUrl ?? ''}` : props.storageKey,
  );
  const limit = useLimit(client);
  const [title, setTitle] = useState<string | null>(null);
  const root = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const isOurs = conversationId === undefined;
  const { keep, forget } = kept;
  const settle = useCallback(
    (id: string) => {
      if (isOurs) keep(id);
      onConversation?.(id);
    },
    [isOurs, keep, onConversation],
  );
  return (
    <div
      ref={root}
      className={['headrace headrace-chat', className].filter(Boolean).join(' ')}
      data-theme={theme}
      lang={words.language}
    >
      <LinkGuard>
        <header className="chat-bar">
          <h2>{title ?? words.untitled}</h2>
          {isOurs && (
            <IconButton label={words.newChat} onClick={forget}>
              <PlusIcon />
            </IconButton>
          )}
        </header>
        <LimitProvider value={limit}>
          <Thread
            key={isOurs ? kept.number : conversationId}
            client={client}
            conversationId={conversationId ?? kept.id}
            models={NO_MODELS}
            model={model}
            field={field}
            within={root}
            onModel={ignore}
            onConversation={settle}
            onNewChat={isOurs ? forget : undefined}
            onTitle={setTitle}
            onTurn={ignore}
          />
        </LimitProvider>
      </LinkGuard>
    </div>
  );
}

const NO_MODELS: readonly never[] = [];
const ignore = (): void => {};
