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
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain HTTP from another machine there is no clipboard API. A field would change line ends, so what it holds is
  // only what the browser wants selected.
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  const asItIs = (event: ClipboardEvent) => {
    event.clipboardData?.setData('text/plain', text);
    event.preventDefault();
  };
  area.addEventListener('copy', asItIs);
  const isCopied = document.execCommand('copy');
  area.remove();
  if (!isCopied) throw new Error('not copied');
}
