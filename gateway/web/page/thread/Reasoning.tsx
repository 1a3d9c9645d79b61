import { useState } from 'react';
import { ChevronIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

interface ReasoningProps {
  text: string;
  /** Whether it is still going on. */
  isLive: boolean;
}

/** What a model thought before it answered: seen while it does, folded away after, or as its reader wants it. */
export function Reasoning({ text, isLive }: ReasoningProps) {
  const words = useWords();
  const [chosen, setChosen] = useState<boolean | null>(null);
  const isOpen = chosen ?? isLive;
  return (
    <div className="reasoning">
      <button type="button" className="reasoning-toggle" aria-expanded={isOpen} onClick={() => setChosen(!isOpen)}>
        <ChevronIcon />
        {isLive ? words.reasoningLive : words.reasoning}
      </button>
      {isOpen && (
        <div className="reasoning-text" dir="auto">
          {text}
        </div>
      )}
    </div>
  );
}
