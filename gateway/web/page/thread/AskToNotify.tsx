import { useEffect, useState } from 'react';
import { ask, mayAsk } from '../app/useEnded.ts';
import { useWords } from '../words/words.ts';

/** So long a reply may take before it is worth while to do something else. */
const LONG_MS = 6_000;

/** Once, while a reply takes its time: whether its reader wants to be told of its end. */
export function AskToNotify({ isStreaming }: { isStreaming: boolean }) {
  const words = useWords();
  const [isAsking, setAsking] = useState(false);
  useEffect(() => {
    if (!isStreaming || !mayAsk()) return;
    const timer = setTimeout(() => setAsking(true), LONG_MS);
    return () => clearTimeout(timer);
  }, [isStreaming]);
  if (!isAsking || !isStreaming) return null;
  const answer = (isWanted: boolean) => {
    setAsking(false);
    void ask(isWanted);
  };
  return (
    <p className="elsewhere">
      {words.tellMe}{' '}
      <button type="button" className="link-button" onClick={() => answer(true)}>
        {words.tellMeYes}
      </button>{' '}
      <button type="button" className="link-button" onClick={() => answer(false)}>
        {words.tellMeNo}
      </button>
    </p>
  );
}
