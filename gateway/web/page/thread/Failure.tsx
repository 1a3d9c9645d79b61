import type { ChatError } from '../../client/index.js';
import { PencilIcon, PlusIcon, RepeatIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { failureKind } from './failures.ts';
import { Notice } from './Notice.tsx';

interface FailureProps {
  error: ChatError;
  /** Something of the reply is shown. */
  isBegun?: boolean;
  onRetry?: (() => void) | undefined;
  onEdit?: (() => void) | undefined;
  onKey?: (() => void) | undefined;
  onNewChat?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
}

/** What went wrong, what to do next, and the buttons that do it. */
export function Failure({ error, isBegun = false, onRetry, onEdit, onKey, onNewChat, onDismiss }: FailureProps) {
  const words = useWords();
  const kind = failureKind(error.code, isBegun);
  const { title, advice } = words.failures[kind];
  const detail = (
    <>
      <code>{error.code}</code> {error.message}
    </>
  );
  return (
    <Notice
      isFailure
      title={title}
      advice={isBegun ? words.kept(advice) : advice}
      detail={detail}
      onDismiss={onDismiss}
    >
      {kind === 'unauthorized' && onKey && (
        <button type="button" className="button primary" onClick={onKey}>
          {words.keyButton}
        </button>
      )}
      {kind === 'contextLength' && onNewChat && (
        <button type="button" className="button" onClick={onNewChat}>
          <PlusIcon />
          {words.newChat}
        </button>
      )}
      {(kind === 'rejected' || kind === 'contextLength') && onEdit && (
        <button type="button" className="button" onClick={onEdit}>
          <PencilIcon />
          {words.edit}
        </button>
      )}
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <RepeatIcon />
          {words.retry}
        </button>
      )}
    </Notice>
  );
}
