import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { HeadraceClient, MessagePart, Model } from '../../client/index.js';
import { type UseStreamingChat, useStreamingChat } from '../../react/useStreamingChat.js';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon } from '../app/icons.tsx';
import { Composer } from '../composer/Composer.tsx';
import { ChatThread } from '../thread/Thread.tsx';
import { useFurtherWords } from '../words/further.ts';

interface CompareProps {
  client: HeadraceClient;
  models: readonly Model[];
  /** The conversation that both go on from, and its copy; none where both are new. */
  from: { id: string; copy: string } | null;
  /** One is kept, or with null both. */
  onDone(id: string | null): void;
}

/** Two models are asked the same, side by side, each in a conversation of its own; one is kept. */
export default function Compare({ client, models, from, onDone }: CompareProps) {
  const further = useFurtherWords();
  const field = useRef<HTMLTextAreaElement>(null);
  const [chosen, setChosen] = useState([models[0]?.id, models[1]?.id ?? models[0]?.id]);
  const one = useStreamingChat({ client, conversationId: from?.id, model: chosen[0] });
  const other = useStreamingChat({ client, conversationId: from?.copy, model: chosen[1] });
  const both = [one, other] as const;
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  const [isFailed, setFailed] = useState(false);
  const send = (text: string, parts: readonly MessagePart[]) => {
    both.forEach((chat, index) => void chat.sendMessage(text, { parts, model: chosen[index], onBusy: 'queue' }));
  };
  const keep = async (index: number) => {
    const [kept, left] = index === 0 ? both : [other, one];
    try {
      if (left.messages.length > 0) await client.remove(left.conversationId);
      onDone(kept.conversationId);
    } catch {
      setFailed(true);
    }
  };
  const isStreaming = both.some((chat) => chat.isStreaming);
  return (
    <main className="compare">
      <header className="header">
        <h1>{further.compare}</h1>
        <IconButton label={further.stopComparing} onClick={() => onDone(null)}>
          <CloseIcon />
        </IconButton>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: on a phone it scrolls from one to the other */}
      <section className="compare-columns" tabIndex={0} aria-label={further.compareColumns}>
        {both.map((chat, index) => (
          <Column
            key={index === 0 ? 'one' : 'other'}
            chat={chat}
            label={further.compareColumn(index + 1, chosen[index] ?? '')}
            onKeep={chat.messages.length > 0 ? () => void keep(index) : null}
          >
            <select
              className="model-choice"
              aria-label={further.modelOf(index + 1)}
              value={chosen[index]}
              onChange={(event) => setChosen(chosen.with(index, event.target.value))}
            >
              {models.map(({ id }) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </select>
          </Column>
        ))}
      </section>
      {isFailed && <p role="alert">{further.sharingFailed}</p>}
      <div className="dock">
        <Composer
          field={field}
          draftKey="compare"
          isStreaming={isStreaming}
          onUpload={one.upload}
          onSend={send}
          onStop={() => both.forEach((chat) => void chat.stopStream())}
        >
          <span className="note">{further.compareNote}</span>
        </Composer>
      </div>
    </main>
  );
}

interface ColumnProps {
  chat: UseStreamingChat;
  label: string;
  children: ReactNode;
  onKeep: (() => void) | null;
}

function Column({ chat, label, children, onKeep }: ColumnProps) {
  const further = useFurtherWords();
  const field = useRef<HTMLTextAreaElement>(null);
  const root = useRef<HTMLElement>(null);
  return (
    <section className="compare-column" ref={root} aria-label={label}>
      <header>
        {children}
        <button type="button" className="button" disabled={!onKeep} onClick={onKeep ?? undefined}>
          {further.keepThis}
        </button>
      </header>
      <ChatThread
        chat={chat}
        draftKey={`compare.${chat.conversationId}`}
        models={NONE}
        model={undefined}
        field={field}
        label={further.messagesOf(label)}
        isReadOnly
        hasComposer={false}
        within={root}
        onModel={ignore}
        onTitle={ignore}
        onTurn={ignore}
      />
    </section>
  );
}

const NONE: readonly never[] = [];
const ignore = (): void => {};
