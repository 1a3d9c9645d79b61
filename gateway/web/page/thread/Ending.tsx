import type { ChatMessage } from '../../client/index.js';
import { ArrowDownIcon, PencilIcon, RepeatIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { Failure } from './Failure.tsx';
import { endingOf } from './failures.ts';
import type { MessageProps } from './messageProps.ts';
import { Notice } from './Notice.tsx';

/** How a reply ended, where it is not simply complete; of the last one also what to do next. */
export function Ending({
  message,
  isLast,
  canAct,
  actions,
}: Pick<MessageProps, 'message' | 'isLast' | 'canAct' | 'actions'>) {
  const words = useWords();
  const { id, state, error } = message;
  const isFree = isLast && canAct;
  const edit = () => actions.editQuestion(id);
  if (state === 'cancelled') return <p className="note">{words.stopped}</p>;
  if (state === 'failed') {
    return (
      <Failure
        error={error ?? UNKNOWN}
        isBegun={isBegun(message)}
        onRetry={isLast ? actions.retry : undefined}
        onEdit={isFree ? edit : undefined}
        onKey={actions.askKey}
        onNewChat={actions.newChat}
      />
    );
  }
  const ending = endingOf(message);
  if (!ending) return null;
  return (
    <Notice {...words.endings[ending]}>
      {isFree && ending === 'length' && (
        <button type="button" className="button" onClick={() => actions.goOn(id)}>
          <ArrowDownIcon />
          {words.goOn}
        </button>
      )}
      {isFree && ending === 'filtered' && (
        <button type="button" className="button" onClick={edit}>
          <PencilIcon />
          {words.edit}
        </button>
      )}
      {isFree && (ending === 'lengthEmpty' || ending === 'empty') && (
        <button type="button" className="button" onClick={() => actions.regenerate(id)}>
          <RepeatIcon />
          {words.retry}
        </button>
      )}
    </Notice>
  );
}

const UNKNOWN = { code: 'failed', message: '', retryable: true };

function isBegun({ content, reasoning, toolCalls }: ChatMessage): boolean {
  return content !== '' || Boolean(reasoning) || Boolean(toolCalls?.length);
}
