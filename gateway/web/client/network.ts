/** What the browser knows of its network. Elsewhere there is nothing to know: always online, never an event. */

export type Connection = 'idle' | 'connecting' | 'open' | 'reconnecting' | 'offline';

/** Longest wait while the browser says it is offline: it may be wrong, as it is about a server on this machine. */
const OFFLINE_PROBE_MS = 5_000;

export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && navigator.onLine === false;
}

/** Calls *listener* when the network comes back, until the function it gives is called. */
export function onReturn(listener: () => void): () => void {
  return on('online', listener);
}

/** Calls *listener* when the network goes away, until the function it gives is called. */
export function onLoss(listener: () => void): () => void {
  return on('offline', listener);
}

function on(event: 'online' | 'offline', listener: () => void): () => void {
  if (typeof window === 'undefined') return () => {};
  window.addEventListener(event, listener);
  return () => window.removeEventListener(event, listener);
}

/** Waits *ms*; ends sooner when the network comes back, later while it is away. Rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(() => finish(), isOffline() ? Math.max(ms, OFFLINE_PROBE_MS) : ms);
    const forget = onReturn(() => finish());
    const abort = () => finish(true);
    signal.addEventListener('abort', abort, { once: true });
    function finish(aborted = false): void {
      clearTimeout(timer);
      forget();
      signal.removeEventListener('abort', abort);
      if (aborted) reject(signal.reason);
      else resolve();
    }
  });
}
