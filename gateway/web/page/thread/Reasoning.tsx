import { useState } from 'react';
import { ChevronIcon } from '../app/icons.tsx';
import { Text } from '../markdown/Text.tsx';
import { useWords } from '../words/words.ts';

interface ReasoningProps {
  text: string;
  /** How long it took, where that is known. */
  ms: number | undefined;
  /** Whether it is still going on. */
  isLive: boolean;
}

/** What a model thought before it answered: seen while it does, folded away after, or as its reader wants it. */
export function Reasoning({ text, ms, isLive }: ReasoningProps) {
  const words = useWords();
  const [chosen, setChosen] = useState<boolean | null>(null);
  const isOpen = chosen ?? isLive;
  return (
    <div className="reasoning">
      <button type="button" className="reasoning-toggle" aria-expanded={isOpen} onClick={() => setChosen(!isOpen)}>
        <ChevronIcon />
        {isLive ? words.reasoningLive : ms === undefined ? words.reasoning : words.reasoningFor(secondsOf(ms))}
      </button>
      {isOpen && (
        <div className="reasoning-text">
          <Text text={text} isLive={isLive} />
        </div>
      )}
    </div>
  );
}

/** Whole ones; nothing takes none. */
function secondsOf(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
