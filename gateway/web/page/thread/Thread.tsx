/** One conversation: its messages and where the next one is written. */
import { type KeyboardEvent, type RefObject, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';
import { type ChatMessage, type HeadraceClient, type MessagePart, type Model, question } from '../../client/index.js';
import { type UseStreamingChat, useStreamingChat } from '../../react/useStreamingChat.js';
import { IconButton } from '../app/IconButton.tsx';
import { ArrowDownIcon, ColumnsIcon, PlusIcon, SlidersIcon } from '../app/icons.tsx';
import { later } from '../app/later.tsx';
import { useShortcuts } from '../app/shortcuts.ts';
import { Composer } from '../composer/Composer.tsx';
import { editKey, forget, putBack } from '../composer/drafts.ts';
import { isTouch } from '../composer/keys.ts';
import { ModelChoice } from '../composer/ModelChoice.tsx';
import { useWords } from '../words/words.ts';
import { ConnectionLine } from './ConnectionLine.tsx';
import { Failure } from './Failure.tsx';
import { goOn } from './goOn.ts';
import { MessageList } from './LazyList.tsx';
import type { MessageActions } from './messageProps.ts';
import { Notice } from './Notice.tsx';
import { Source } from './source.ts';
import { Waiting } from './Unsent.tsx';
import type { Wanted } from './useFinding.ts';
import { useStickToEnd } from './useStickToEnd.ts';
import { Welcome } from './Welcome.tsx';

const Announcer = later(async () => (await import('./Announcer.tsx')).Announcer);
const AskToNotify = later(async () => (await import('./AskToNotify.tsx')).AskToNotify);
const Finder = later(async () => (await import('./Finder.tsx')).default);
const SettingsDialog = later(async () => (await import('../dialogs/SettingsDialog.tsx')).default);
const SpentSoFar = later(async () => (await import('../dialogs/SpentSoFar.tsx')).SpentSoFar);
const Sharing = later(async () => (await import('../dialogs/Sharing.tsx')).Sharing);
const Files = later(async () => (await import('../dialogs/Files.tsx')).Files);

interface ThreadProps extends Omit<ChatThreadProps, 'chat' | 'client' | 'draftKey'> {
  client: HeadraceClient;
  conversationId: string | null;
  onConversation(id: string): void;
}

export function Thread({ client, conversationId, onConversation, ...props }: ThreadProps) {
  const { model } = props;
  const chat = useStreamingChat({ client, conversationId: conversationId ?? undefined, model, onConversation });
  return <ChatThread {...props} client={client} chat={chat} draftKey={conversationId ?? 'new'} />;
}

interface ChatThreadProps {
  chat: UseStreamingChat;
  client?: HeadraceClient;
  models: readonly Model[];
  model: string | undefined;
  field: RefObject<HTMLTextAreaElement | null>;
  /** What is written here is kept under this name. */
  draftKey: string;
  /** Whether the conversation's settings can be changed here. */
  hasSettings?: boolean;
  /** What its messages are called, where there are others beside them. */
  label?: string;
  /** Whether it is somebody else's, to be read. */
  isReadOnly?: boolean;
  /** Whether the next message is written here. */
  hasComposer?: boolean;
  /** Another conversation, with messages that were not sent. */
  unsentElsewhere?: string | null;
  onOpen?: ((id: string) => void) | undefined;
  onModel(id: string | undefined): void;
  /** Asks two models side by side from here on. */
  onCompare?: ((id: string | null) => Promise<void>) | undefined;
  /** What the conversation was opened for. */
  wanted?: Wanted | null;
  /** Leads away from a conversation that is not there. */
  onNewChat?: (() => void) | undefined;
  onTitle(title: string | null): void;
  /** A reply has begun or ended. */
  onTurn(isStreaming: boolean): void;
  onUnauthorized?: (() => void) | undefined;
  /** Where Escape stops the reply, if not anywhere. */
  within?: RefObject<HTMLElement | null>;
}

/** A conversation that somebody else holds. */
export function ChatThread(props: ChatThreadProps) {
  const {
    chat,
    models,
    model,
    field,
    draftKey,
    hasComposer = true,
    unsentElsewhere,
    onOpen,
    onCompare,
    onModel,
  } = props;
  const {
    client,
    isReadOnly = false,
    hasSettings = false,
    wanted = null,
    onNewChat,
    onTitle,
    onTurn,
    onUnauthorized,
    within,
  } = props;
  const words = useWords();
  const { label = words.messages } = props;
  const [editing, setEditing] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const { isAtEnd, toEnd, letGo } = useStickToEnd(scroller, content);
  const { messages, waiting, error, isStreaming, isLoading, isMissing, title } = chat;
  const last = messages.at(-1);
  const [isFinding, setFinding] = useState(wanted !== null);
  const [sought, setSought] = useState(wanted);
  const [found, setFound] = useState<string | null>(null);
  const findField = useRef<HTMLInputElement>(null);
  const closeFinding = () => {
    setFinding(false);
    setSought(null);
    scroller.current?.focus({ preventScroll: true });
  };

  const { notFound } = words.failures;
  const shownTitle = isMissing ? notFound.title : (title ?? firstLine(messages[0]?.content));
  useEffect(() => onTitle(shownTitle), [shownTitle, onTitle]);
  useEffect(() => onTurn(isStreaming), [isStreaming, onTurn]);
  useEffect(() => {
    if (error?.status === 401) onUnauthorized?.();
  }, [error, onUnauthorized]);

  const latest = useRef(chat);
  latest.current = chat;
  const actions = useMemo<MessageActions>(() => {
    const edit = (id: string | null) => {
      setEditing(id);
      // The field that goes takes the focus with it. On a phone the message box would bring the keyboard up.
      const rest = () => document.activeElement === document.body && (isTouch() ? scroller : field).current?.focus();
      if (id === null) requestAnimationFrame(rest);
    };
    return {
      regenerate: (id) => {
        toEnd();
        void latest.current.regenerate(id);
      },
      retry: () => void latest.current.retry(),
      edit,
      resend: (id, text) => {
        const edited = latest.current.messages.find((message) => message.id === id);
        edit(null);
        toEnd();
        void latest.current.editMessage(id, text).then((isTaken) => {
          // What was refused is open for editing again, as it was written.
          if (!isTaken) setEditing(id);
          else if (edited) forget(editKey(edited));
        });
      },
      takeBack: (id) =>
        void latest.current.takeBack(id).then((text) => {
          if (text === null) return;
          putBack(draftKey, text);
          if (!isTouch()) field.current?.focus();
        }),
      sendAgain: (id) => void latest.current.sendAgain(id),
      editQuestion: (id) => {
        const { messages } = latest.current;
        const reply = messages.find((message) => message.id === id);
        edit((reply && question(messages, reply)?.id) ?? null);
      },
      showBranch: (generationId) => {
        letGo();
        void latest.current.showBranch(generationId);
      },
      goOn: (id) => {
        const reply = latest.current.messages.find((message) => message.id === id);
        toEnd();
        if (reply) void goOn(latest.current, reply, words);
      },
      askKey: onUnauthorized,
      newChat: onNewChat,
    };
  }, [toEnd, letGo, onUnauthorized, onNewChat, field, draftKey, words]);
  const [isConfiguring, setConfiguring] = useState(false);
  const chooseModel = (id: string | undefined) => {
    onModel(id);
    void chat.changeSettings({ ...chat.settings, model: id });
  };
  const send = (text: string, parts?: readonly MessagePart[]) => {
    toEnd();
    void chat.sendMessage(text, { parts, onBusy: 'queue' });
  };
  // The browser's own way there is past messages whose height nobody knows yet.
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    if (event.key === 'Home') list.current?.scrollToIndex(0);
    else if (event.key === 'End') toEnd();
    else return;
    event.preventDefault();
  };
  useShortcuts(
    {
      find: () => {
        // The browser's own search is the second press.
        if (messages.length === 0 || document.activeElement === findField.current) return false;
        setFinding(true);
        findField.current?.select();
        return true;
      },
      stop: () => {
        if (!isStreaming) return false;
        void chat.stopStream();
        return true;
      },
    },
    within,
  );

  return (
    <Source.Provider value={chat.readBlob}>
      {isFinding && (
        <Suspense>
          <Finder
            messages={messages}
            wanted={sought}
            view={scroller}
            list={list}
            field={findField}
            letGo={letGo}
            onFound={setFound}
            onClose={closeFinding}
          />
        </Suspense>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll it */}
      <section className="scroll-view" ref={scroller} aria-label={label} tabIndex={0} onKeyDown={onKeyDown}>
        <div className="scroll-content" ref={content}>
          {isLoading && <p className="loading">{words.loading}</p>}
          {!isLoading && !isMissing && !isReadOnly && messages.length + waiting.length === 0 && !error && (
            <Welcome onChoose={send} />
          )}
          {isMissing && (
            <div className="column">
              <Notice {...notFound}>
                {onNewChat && (
                  <button type="button" className="button" onClick={onNewChat}>
                    <PlusIcon />
                    {words.newChatInstead}
                  </button>
                )}
              </Notice>
            </div>
          )}
          {messages.length > 0 && (
            <MessageList
              chat={chat}
              list={list}
              scroller={scroller}
              editing={editing}
              found={found}
              isReadOnly={isReadOnly}
              actions={actions}
            />
          )}
          {error && !saysItself(last) && (
            <div className="column">
              <Failure
                error={error}
                onRetry={isReadOnly ? undefined : actions.retry}
                onKey={onUnauthorized}
                onDismiss={chat.dismissError}
              />
            </div>
          )}
          <Waiting messages={waiting} actions={actions} />
        </div>
      </section>
      <div className="dock">
        {!isAtEnd && (
          <button type="button" className="to-end" aria-label={words.toEnd} onClick={toEnd}>
            <ArrowDownIcon />
            {isStreaming && <span>{words.newBelow}</span>}
          </button>
        )}
        {hasSettings && (
          <Suspense>
            <AskToNotify isStreaming={isStreaming} />
          </Suspense>
        )}
        <ConnectionLine connection={chat.connection} isStreaming={isStreaming} />
        {unsentElsewhere && onOpen && (
          <p className="elsewhere" role="status">
            {words.unsentElsewhere}{' '}
            <button type="button" className="link-button" onClick={() => onOpen(unsentElsewhere)}>
              {words.showUnsent}
            </button>
          </p>
        )}
        {hasComposer && (
          <Composer
            field={field}
            draftKey={draftKey}
            isStreaming={isStreaming}
            onUpload={chat.upload}
            onSend={send}
            onStop={() => void chat.stopStream()}
          >
            <ModelChoice models={models} chosen={chat.settings.model ?? model} onChoose={chooseModel} />
            {onCompare && (
              <IconButton
                label={words.compareHere}
                disabled={isStreaming}
                onClick={() => void onCompare(messages.length > 0 && !isMissing ? chat.conversationId : null)}
              >
                <ColumnsIcon />
              </IconButton>
            )}
            {hasSettings && (
              <IconButton label={words.settings} onClick={() => setConfiguring(true)}>
                <SlidersIcon />
              </IconButton>
            )}
          </Composer>
        )}
      </div>
      {isConfiguring && (
        <Suspense>
          <SettingsDialog
            settings={chat.settings}
            models={models}
            onSave={(settings) => void chat.changeSettings(settings)}
            onClose={() => setConfiguring(false)}
          >
            {chat.spent && <SpentSoFar spent={chat.spent} />}
            {client && !isMissing && messages.length > 0 && (
              <Sharing client={client} conversationId={chat.conversationId} />
            )}
            {client && onOpen && (
              <Files
                client={client}
                conversationId={isMissing || messages.length === 0 ? null : chat.conversationId}
                onOpen={onOpen}
              />
            )}
          </SettingsDialog>
        </Suspense>
      )}
      <Suspense>
        <Announcer message={last} />
      </Suspense>
    </Source.Provider>
  );
}

/** A reply that failed shows why; a message that was not taken does not. */
function saysItself(message: ChatMessage | undefined): boolean {
  return message?.role === 'assistant' && message.state === 'failed' && message.error !== undefined;
}

/** What a conversation is called until the server has named it. */
function firstLine(text: string | undefined): string | null {
  return text?.trimStart().split('\n', 1)[0]?.slice(0, 80) || null;
}
