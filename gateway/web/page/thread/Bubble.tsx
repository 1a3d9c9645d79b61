import { useState } from 'react';
import { useWords } from '../words/words.ts';

/** More than this is folded away: what was pasted stands between the reader and the reply. */
const LONG_LENGTH = 1500;
const LONG_LINES = 20;

/** What a user has said. */
export function Bubble({ text }: { text: string }) {
  const words = useWords();
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > LONG_LENGTH || text.split('\n', LONG_LINES + 1).length > LONG_LINES;
  return (
    <div className="bubble" dir="auto">
      <div className={isLong && !isWhole ? 'folded' : undefined}>{text}</div>
      {isLong && (
        <button type="button" className="link-button" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? words.showLess : words.showAll}
        </button>
      )}
    </div>
  );
}
