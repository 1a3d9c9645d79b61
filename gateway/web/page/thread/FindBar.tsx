import type { KeyboardEvent, RefObject } from 'react';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon, DownIcon, UpIcon } from '../app/icons.tsx';
import { isComposing } from '../composer/keys.ts';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import type { Finding } from './useFinding.ts';

interface FindBarProps {
  finding: Finding;
  field: RefObject<HTMLInputElement | null>;
  onClose(): void;
}

/** Looks for a text in all of the conversation; the browser's own search sees only what is near the view. */
export function FindBar({ finding, field, onClose }: FindBarProps) {
  const words = useWords();
  const further = useFurtherWords();
  const { query, at, count, look, go } = finding;
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event.nativeEvent)) return;
    if (event.key === 'Enter' && event.target === field.current) go(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') onClose();
    else return;
    event.preventDefault();
  };
  const isFound = query.trim() !== '' && count > 0;
  return (
    <search className="find-bar" onKeyDown={onKeyDown}>
      <input
        ref={field}
        type="search"
        dir="auto"
        value={query}
        aria-label={further.find}
        placeholder={further.find}
        onChange={(event) => look(event.target.value)}
      />
      <span className="count" role="status">
        {query.trim() !== '' && further.findCount(at, count)}
      </span>
      <IconButton label={further.findPrevious} disabled={!isFound} onClick={() => go(-1)}>
        <UpIcon />
      </IconButton>
      <IconButton label={further.findNext} disabled={!isFound} onClick={() => go(1)}>
        <DownIcon />
      </IconButton>
      <IconButton label={words.close} onClick={onClose}>
        <CloseIcon />
      </IconButton>
    </search>
  );
}
