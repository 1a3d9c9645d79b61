import { useEffect, useState } from 'react';
import { ask, mayAsk } from '../app/useEnded.ts';
import { useFurtherWords } from '../words/further.ts';

/** So long a reply may take before it is worth while to do something else. */
const LONG_MS = 6_000;

/** Once, while a reply takes its time: whether its reader wants to be told of its end. */
export function AskToNotify({ isStreaming }: { isStreaming: boolean }) {
  const further = useFurtherWords();
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
      {further.tellMe}{' '}
      <button type="button" className="link-button" onClick={() => answer(true)}>
        {further.tellMeYes}
      </button>{' '}
      <button type="button" className="link-button" onClick={() => answer(false)}>
        {further.tellMeNo}
      </button>
    </p>
  );
}
