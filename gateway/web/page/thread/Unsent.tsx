import type { ChatMessage } from '../../client/index.js';
import { useWords } from '../words/words.ts';
import { Bubble } from './Bubble.tsx';
import { Parts } from './LazyParts.tsx';
import type { MessageActions } from './messageProps.ts';

interface UnsentProps {
  message: ChatMessage;
  actions: MessageActions;
}

/** Whether the server has not taken *message*, and that is worth a word. */
export function isKnownUnsent({ state, generationId }: ChatMessage): boolean {
  return state === 'unsent' || (generationId === undefined && (state === 'failed' || state === 'cancelled'));
}

/** Why a message is not in the conversation yet, and what can be done with it. */
export function Unsent({ message, actions }: UnsentProps) {
  const words = useWords();
  const { id, state } = message;
  const said = state === 'unsent' ? words.notSentYet : state === 'queued' ? words.waitsForReply : words.notSent;
  return (
    <p className="unsent">
      <span className="beacon" aria-hidden="true" />
      <span role="status">{said}</span>
      {state !== 'unsent' && state !== 'queued' && (
        <button type="button" className="link-button" onClick={() => actions.sendAgain(id)}>
          {words.sendAgain}
        </button>
      )}
      <button type="button" className="link-button" onClick={() => actions.takeBack(id)}>
        {words.takeBack}
      </button>
    </p>
  );
}

interface WaitingProps {
  messages: readonly ChatMessage[];
  actions: MessageActions;
}

/** The messages whose turn comes later, after the reply on its way. */
export function Waiting({ messages, actions }: WaitingProps) {
  const words = useWords();
  if (messages.length === 0) return null;
  return (
    <ol className="waiting-messages" aria-label={words.waitingMessages}>
      {messages.map((message) => (
        <li key={message.id}>
          <article className="message user" aria-label={words.you} data-state={message.state}>
            {message.parts && <Parts parts={message.parts} />}
            {message.content !== '' && <Bubble text={message.content} />}
            <Unsent message={message} actions={actions} />
          </article>
        </li>
      ))}
    </ol>
  );
}
