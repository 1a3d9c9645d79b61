import type { ReactNode } from 'react';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon, WarningIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

interface NoticeProps {
  title: string;
  advice: string;
  /** Something went wrong just now, and is told at once; otherwise it stands there to be read. */
  isFailure?: boolean;
  /** Further facts. */
  detail?: ReactNode;
  /** Buttons for what to do next. */
  children?: ReactNode;
  onDismiss?: (() => void) | undefined;
}

/** What a reader has to know beside the messages: what happened, and what to do next. */
export function Notice({ title, advice, isFailure = false, detail, children, onDismiss }: NoticeProps) {
  const words = useWords();
  return (
    <section className={isFailure ? 'notice failure' : 'notice'} role={isFailure ? 'alert' : 'note'} aria-label={title}>
      <WarningIcon />
      <div>
        <p className="title">{title}</p>
        <p>{advice}</p>
        {detail && <p className="detail">{detail}</p>}
        {children && <div className="notice-actions">{children}</div>}
      </div>
      {onDismiss && (
        <IconButton label={words.dismiss} onClick={onDismiss}>
          <CloseIcon />
        </IconButton>
      )}
    </section>
  );
}
