import { useEffect, useState } from 'react';
import type { ChatMessage } from '../../client/index.js';
import { useWords } from '../words/words.ts';

interface PulseProps {
  message: ChatMessage;
  queuePlace: number | null;
  tokensPerSecond: number | null;
}

/** How the reply on its way stands: its place in the queue, how long it has taken, how fast it comes. */
export function Pulse({ message, queuePlace, tokensPerSecond }: PulseProps) {
  const words = useWords();
  const seconds = useSeconds(message.createdAt);
  const hasText = message.content.trim() !== '' || Boolean(message.reasoning) || Boolean(message.toolCalls);
  const isQueued = queuePlace !== null || message.state === 'queued';
  return (
    <p className="pulse">
      {(!hasText || isQueued) && (
        <span className="waiting">
          <span className="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {isQueued ? (queuePlace ? words.queuedAt(queuePlace) : words.queued) : words.thinking}
        </span>
      )}
      {seconds > 0 && <span>{words.seconds(seconds)}</span>}
      {hasText && tokensPerSecond !== null && tokensPerSecond > 0 && <span>{words.perSecond(tokensPerSecond)}</span>}
    </p>
  );
}

function useSeconds(since: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, Math.floor((now - since) / 1000));
}
