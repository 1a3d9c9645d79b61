import { memo, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { RoomMessage } from '../../client/index.js';
import type { UseRoom } from '../../react/useRoom.ts';
import { CopyButton } from '../app/CopyButton.tsx';
import { Text } from '../markdown/Text.tsx';
import { Bubble } from '../thread/Bubble.tsx';
import { Time } from '../thread/Time.tsx';
import { type FurtherWords, useFurtherWords } from '../words/further.ts';
import { useWords, type Words } from '../words/words.ts';
import { hueOf } from './hue.ts';

/** Within this of the end, whoever reads follows it. */
const NEAR_PX = 80;

/** What was said, who types, and what is wrong. */
export function RoomThread({ room }: { room: UseRoom }) {
  const further = useFurtherWords();
  const view = useRef<HTMLElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    const shown = view.current;
    if (shown && follows.current) shown.scrollTop = shown.scrollHeight;
  });
  // Text is drawn at its own pace, and grows after it has come.
  useEffect(() => {
    const shown = view.current;
    const inner = shown?.firstElementChild;
    if (!shown || !inner) return;
    const observer = new ResizeObserver(() => {
      if (follows.current) shown.scrollTop = shown.scrollHeight;
    });
    observer.observe(inner);
    return () => observer.disconnect();
  }, []);
  const { messages, typing, userId } = room;
  return (
    <div className="room-view">
      <section
        ref={view}
        className="scroll-view"
        aria-label={further.conversation}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: so that the keyboard can scroll it
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          follows.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
        }}
      >
        <div className="scroll-content">
          {room.isTruncated && <p className="column note">{further.roomTruncated}</p>}
          {messages.length === 0 && room.connection === 'open' && <p className="column note">{further.roomEmpty}</p>}
          {messages.map((message, index) => (
            <Said
              key={message.id}
              message={message}
              isMine={message.userId === userId}
              isLast={index === messages.length - 1}
            />
          ))}
        </div>
      </section>
      <p className="column typing" aria-live="polite">
        {typing.length > 0 && further.typing(typing.map(({ name }) => name))}
      </p>
      <State room={room} />
      <Spoken messages={messages} userId={userId} />
    </div>
  );
}

const Said = memo(function Said({
  message,
  isMine,
  isLast,
}: {
  message: RoomMessage;
  isMine: boolean;
  isLast: boolean;
}) {
  const words = useWords();
  const further = useFurtherWords();
  const { content, state, timestamp } = message;
  const ms = Date.parse(timestamp);
  if (message.from === 'user') {
    return (
      <article
        className={isMine ? 'message user' : 'message other'}
        data-state={state}
        data-hue={message.userId === null ? undefined : hueOf(message.userId)}
        data-last={isLast || undefined}
        aria-label={isMine ? words.you : message.name}
      >
        <h2 className={isMine ? 'visually-hidden' : 'sender'} dir="auto">
          {isMine ? words.you : message.name}
        </h2>
        <Bubble text={content} />
        {state === 'failed' ? (
          <p className="unsent" role="alert">
            {further.notSaid} {message.detail}
          </p>
        ) : (
          <footer className="message-actions">
            <CopyButton text={content} label={words.copyMessage} />
            {Number.isFinite(ms) && <Time ms={ms} />}
          </footer>
        )}
      </article>
    );
  }
  const isLive = state === 'streaming';
  return (
    <article
      className="message assistant"
      data-last={isLast || undefined}
      aria-label={words.assistant}
      aria-busy={isLive}
    >
      <h2 className="visually-hidden">{words.assistant}</h2>
      <div className={isLive ? 'text live' : 'text'}>
        <Text text={content} isLive={isLive} />
      </div>
      {isLive && content === '' && <p className="note">{words.thinking}</p>}
      {!isLive && (
        <footer className="message-actions">
          {content !== '' && <CopyButton text={content} label={words.copyMessage} />}
          <span className="facts">{endingOf(message, words, further)}</span>
          {Number.isFinite(ms) && <Time ms={ms} />}
        </footer>
      )}
    </article>
  );
});

function endingOf({ state, detail, name }: RoomMessage, words: Words, further: FurtherWords): string {
  if (state === 'stopped') return detail ? further.stoppedBy(detail) : words.replyStopped;
  if (state === 'failed') return `${words.replyFailed} ${detail ?? ''}`;
  return name;
}

function State({ room }: { room: UseRoom }) {
  const words = useWords();
  const further = useFurtherWords();
  const { connection, error } = room;
  const isOut = connection === 'closed';
  return (
    <div className="connection" role="status">
      {connection === 'reconnecting' && (
        <p>
          <span className="beacon" aria-hidden="true" />
          {words.reconnecting}
        </p>
      )}
      {connection === 'connecting' && <p>{further.roomOpening}</p>}
      {error && (
        <p className="refused">
          {isOut ? further.roomClosed : error.message}
          {isOut && (
            <button type="button" className="link-button" onClick={() => location.reload()}>
              {words.retry}
            </button>
          )}
        </p>
      )}
    </div>
  );
}

/** Tells a screen reader what others say, and that a reply has ended. */
function Spoken({ messages, userId }: { messages: readonly RoomMessage[]; userId: string }) {
  const words = useWords();
  const [said, setSaid] = useState('');
  const known = useRef(messages.length);
  const last = messages.at(-1);
  const isNew = messages.length > known.current;
  useEffect(() => {
    known.current = messages.length;
    if (!last || last.userId === userId) return;
    if (last.from === 'user' && isNew) setSaid(`${last.name}: ${last.content}`);
    if (last.from === 'assistant') setSaid(last.state === 'streaming' ? words.replyStarted : words.replyFinished);
  }, [messages.length, last, isNew, userId, words]);
  return (
    <div className="visually-hidden" role="status" aria-live="polite">
      {said}
    </div>
  );
}
