import { useEffect, useState } from 'react';
import { useWords } from '../words/words.ts';
import { IconButton } from './IconButton.tsx';
import { CheckIcon, CopyIcon } from './icons.tsx';

interface CopyButtonProps {
  text: string | (() => string);
  label: string;
}

/** Copies *text* and says so for a moment, to the eye and to a screen reader. */
export function CopyButton({ text, label }: CopyButtonProps) {
  const words = useWords();
  const [outcome, setOutcome] = useState<'copied' | 'failed' | null>(null);
  useEffect(() => {
    if (!outcome) return;
    const timer = setTimeout(() => setOutcome(null), 1600);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = () => {
    toClipboard(typeof text === 'string' ? text : text()).then(
      () => setOutcome('copied'),
      () => setOutcome('failed'),
    );
  };
  const said = outcome === 'copied' ? words.copied : outcome === 'failed' ? words.copyFailed : '';
  return (
    <>
      <IconButton className="copy" label={label} title={said || label} onClick={copy}>
        {outcome === 'copied' ? <CheckIcon /> : <CopyIcon />}
      </IconButton>
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </>
  );
}

async function toClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Over plain HTTP from another machine there is no such API; elsewhere it may be refused.
    if (!copied(text)) throw new Error('not copied');
  }
}

/** The old way. The field gives it something to copy; the event says what, to the letter. */
function copied(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  const fill = (event: ClipboardEvent) => {
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
  };
  document.addEventListener('copy', fill);
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  document.removeEventListener('copy', fill);
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return isCopied;
}
