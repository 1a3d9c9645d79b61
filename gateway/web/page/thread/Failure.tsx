import type { ChatError } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon, RepeatIcon, WarningIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { failureKind } from './failures.ts';

interface FailureProps {
  error: ChatError;
  onRetry?: (() => void) | undefined;
  onKey?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
}

/** What went wrong, what to do next, and the button that does it. */
export function Failure({ error, onRetry, onKey, onDismiss }: FailureProps) {
  const words = useWords();
  const kind = failureKind(error.code);
  const { title, advice } = words.failures[kind];
  return (
    <section className="failure" role="alert" aria-label={title}>
      <WarningIcon />
      <div>
        <p className="title">{title}</p>
        <p>{advice}</p>
        <p className="detail">
          <code>{error.code}</code> {error.message}
        </p>
        <div className="failure-actions">
          {kind === 'unauthorized' && onKey && (
            <button type="button" className="button primary" onClick={onKey}>
              {words.keyButton}
            </button>
          )}
          {onRetry && (
            <button type="button" className="button" onClick={onRetry}>
              <RepeatIcon />
              {words.retry}
            </button>
          )}
        </div>
      </div>
      {onDismiss && (
        <IconButton label={words.dismiss} onClick={onDismiss}>
          <CloseIcon />
        </IconButton>
      )}
    </section>
  );
}
