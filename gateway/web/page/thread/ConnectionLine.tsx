import { useSyncExternalStore } from 'react';
import type { Connection } from '../../client/index.js';
import { useWords } from '../words/words.ts';

interface ConnectionLineProps {
  connection: Connection;
  isStreaming: boolean;
}

/** Says that the connection is gone, and that nothing is lost by it. */
export function ConnectionLine({ connection, isStreaming }: ConnectionLineProps) {
  const words = useWords();
  const isOnline = useSyncExternalStore(subscribe, () => navigator.onLine);
  const isOffline = !isOnline || connection === 'offline';
  const said = isOffline
    ? isStreaming
      ? words.offline
      : words.offlineIdle
    : connection === 'reconnecting'
      ? words.reconnecting
      : '';
  return (
    <div className="connection" role="status">
      {said && (
        <p>
          <span className="beacon" aria-hidden="true" />
          {said}
        </p>
      )}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('online', listener);
  window.addEventListener('offline', listener);
  return () => {
    window.removeEventListener('online', listener);
    window.removeEventListener('offline', listener);
  };
}
