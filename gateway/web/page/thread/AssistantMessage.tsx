import type { ChatMessage } from '../../client/index.js';
import { CopyButton } from '../app/CopyButton.tsx';
import { IconButton } from '../app/IconButton.tsx';
import { RepeatIcon } from '../app/icons.tsx';
import { Text } from '../markdown/Text.tsx';
import { useWords } from '../words/words.ts';
import { Failure } from './Failure.tsx';
import type { MessageProps } from './messageProps.ts';
import { Pulse } from './Pulse.tsx';
import { Reasoning } from './Reasoning.tsx';

/** A reply: on its way, as it ended, or why it failed; and what can be done with it. */
export function AssistantMessage({ message, isLast, live, canAct, actions }: MessageProps) {
  const words = useWords();
  const { content, reasoning, state, error, toolCalls } = message;
  const isLive = state === 'sending' || state === 'queued' || state === 'streaming';
  return (
    <article
      className="message assistant"
      data-last={isLast || undefined}
      aria-label={words.assistant}
      aria-busy={isLive}
    >
      <h2 className="visually-hidden">{words.assistant}</h2>
      {reasoning && <Reasoning text={reasoning} isLive={isLive && content === ''} />}
      {content !== '' && (
        <div className={isLive ? 'text live' : 'text'}>
          <Text text={content} isLive={isLive} />
        </div>
      )}
      {toolCalls?.map((call) => (
        <p className="tool-call" key={call.index}>
          {words.toolCall(call.name)} <code>{call.arguments}</code>
        </p>
      ))}
      {live && isLive && (
        <Pulse message={message} queuePlace={live.queuePlace} tokensPerSecond={live.tokensPerSecond} />
      )}
      {state === 'cancelled' && <p className="note">{words.stopped}</p>}
      {error && state === 'failed' && (
        <Failure error={error} onRetry={isLast ? actions.retry : undefined} onKey={actions.askKey} />
      )}
      {!isLive && (
        <footer className="message-actions">
          {content !== '' && <CopyButton text={content} label={words.copyMessage} />}
          {isLast && canAct && (
            <IconButton label={words.regenerate} onClick={() => actions.regenerate(message.id)}>
              <RepeatIcon />
            </IconButton>
          )}
          <Facts message={message} />
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
