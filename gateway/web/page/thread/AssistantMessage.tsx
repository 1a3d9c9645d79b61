import { Suspense } from 'react';
import { type ChatMessage, inOrder } from '../../client/index.js';
import { CopyButton } from '../app/CopyButton.tsx';
import { IconButton } from '../app/IconButton.tsx';
import { RepeatIcon } from '../app/icons.tsx';
import { later } from '../app/later.tsx';
import { Text } from '../markdown/Text.tsx';
import { ReadAloud } from '../speech/ReadAloud.tsx';
import { useWords } from '../words/words.ts';
import { Branches } from './Branches.tsx';
import { Ending } from './Ending.tsx';
import { Parts } from './LazyParts.tsx';
import type { MessageProps } from './messageProps.ts';
import { Pulse } from './Pulse.tsx';
import { Reasoning } from './Reasoning.tsx';
import { Time } from './Time.tsx';

const ToolCall = later(async () => (await import('./ToolCall.tsx')).ToolCall);

/** A reply: on its way, as it ended, or why it failed; and what can be done with it. */
export function AssistantMessage({ message, isLast, isFound, live, canAct, actions }: MessageProps) {
  const words = useWords();
  const { content, reasoning, reasoningMs, state } = message;
  const said = inOrder(content, [...(message.toolCalls ?? []), ...(message.parts ?? [])]);
  const isLive = state === 'sending' || state === 'queued' || state === 'streaming';
  return (
    <article
      className="message assistant"
      data-message={message.id}
      data-last={isLast || undefined}
      data-found={isFound || undefined}
      aria-label={words.assistant}
      aria-busy={isLive}
    >
      <h2 className="visually-hidden">{words.assistant}</h2>
      {reasoning && <Reasoning text={reasoning} ms={reasoningMs} isLive={isLive && said.length === 0} />}
      {said.map((part, index) => {
        const isOpen = isLive && index === said.length - 1;
        if (typeof part !== 'string' && 'blob' in part) {
          // biome-ignore lint/suspicious/noArrayIndexKey: parts are only ever added at the end
          return <Parts parts={[part]} key={`part ${index}`} />;
        }
        if (typeof part !== 'string') {
          return (
            <Suspense key={`call ${part.index}`}>
              <ToolCall call={part} isLive={isOpen} />
            </Suspense>
          );
        }
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts are only ever added at the end
          <div className="text" key={index}>
            <Text text={part} isLive={isOpen} />
          </div>
        );
      })}
      {live && isLive && (
        <Pulse message={message} queuePlace={live.queuePlace} tokensPerSecond={live.tokensPerSecond} />
      )}
      {isLive && content !== '' && <ReadAloud message={message} />}
      <Ending message={message} isLast={isLast} canAct={canAct} actions={actions} />
      {!isLive && (
        <footer className="message-actions">
          {content !== '' && <CopyButton text={content} label={words.copyMessage} />}
          {content !== '' && <ReadAloud message={message} />}
          {canAct && (isLast || message.generationId) && (
            <IconButton label={words.regenerate} onClick={() => actions.regenerate(message.id)}>
              <RepeatIcon />
            </IconButton>
          )}
          {message.branch && <Branches place={message.branch} canAct={canAct} onShow={actions.showBranch} />}
          <Facts message={message} />
          <Time ms={message.createdAt} />
        </footer>
      )}
    </article>
  );
}

/** Which model said it, and how much. */
function Facts({ message }: { message: ChatMessage }) {
  const words = useWords();
  const facts = [message.model, message.usage && words.tokens(message.usage.completion_tokens)].filter(Boolean);
  return facts.length > 0 && <span className="facts">{facts.join(' · ')}</span>;
}
