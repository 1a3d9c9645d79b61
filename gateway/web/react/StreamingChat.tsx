import { type KeyboardEvent, type ReactNode, useId, useState } from 'react';
import type { ChatMessage } from '../client/index.js';
import { type StreamingChatOptions, type UseStreamingChat, useStreamingChat } from './useStreamingChat.js';

export interface StreamingChatProps extends StreamingChatOptions {
  className?: string | undefined;
  /** How to show a message's content; plain text otherwise. */
  renderMessage?: ((message: ChatMessage) => ReactNode) | undefined;
  labels?: Partial<Labels> | undefined;
}

export interface Labels {
  conversation: string;
  message: string;
  send: string;
  stop: string;
  retry: string;
  you: string;
  assistant: string;
  waiting: string;
  reconnecting: string;
}

const ENGLISH: Labels = {
  conversation: 'Conversation',
  message: 'Message',
  send: 'Send',
  stop: 'Stop',
  retry: 'Try again',
  you: 'You',
  assistant: 'Assistant',
  waiting: 'Waiting for the reply',
  reconnecting: 'Reconnecting',
};

/**
 * A whole chat in one element. It brings no styles but the line breaks of plain text; everything has a class
 * that begins with `headrace-`, and messages carry `data-role` and `data-state`.
 */
export function StreamingChat({ className, renderMessage = plain, labels, ...options }: StreamingChatProps): ReactNode {
  const chat = useStreamingChat(options);
  const words = { ...ENGLISH, ...labels };
  return (
    <section className={['headrace-chat', className].filter(Boolean).join(' ')} aria-label={words.conversation}>
      <ol className="headrace-messages" aria-busy={chat.isLoading}>
        {chat.messages.map((message) => (
          <li key={message.id} className="headrace-message" data-role={message.role} data-state={message.state}>
            <span className="headrace-author">{message.role === 'user' ? words.you : words.assistant}</span>
            {renderMessage(message)}
          </li>
        ))}
      </ol>
      <p className="headrace-status" role="status">
        {status(chat, words)}
      </p>
      {chat.error && (
        <p className="headrace-error" role="alert">
          {chat.error.message}{' '}
          <button type="button" onClick={() => void chat.retry()}>
            {words.retry}
          </button>
        </p>
      )}
      <Composer chat={chat} words={words} />
    </section>
  );
}

function Composer({ chat, words }: { chat: UseStreamingChat; words: Labels }): ReactNode {
  const [text, setText] = useState('');
  const field = useId();
  const send = (): void => {
    if (!text.trim() || chat.isStreaming) return;
    setText('');
    void chat.sendMessage(text);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter also ends the composition of a Chinese or Japanese word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="headrace-composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label htmlFor={field}>{words.message}</label>
      <textarea
        id={field}
        rows={2}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {chat.isStreaming ? (
        <button type="button" onClick={() => void chat.stopStream()}>
          {words.stop}
        </button>
      ) : (
        <button type="submit" disabled={!text.trim()}>
          {words.send}
        </button>
      )}
    </form>
  );
}

/** What is announced: how the reply stands, never its letters; the whole of it once it is there. */
function status(chat: UseStreamingChat, words: Labels): string {
  if (chat.connection === 'reconnecting' || chat.connection === 'offline') return words.reconnecting;
  if (chat.isStreaming) return chat.queuePlace === null ? words.waiting : `${words.waiting} (${chat.queuePlace})`;
  const last = chat.messages.at(-1);
  return last?.role === 'assistant' && last.state === 'done' ? last.content : '';
}

function plain(message: ChatMessage): ReactNode {
  return (
    <div className="headrace-content" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
      {message.content}
    </div>
  );
}
