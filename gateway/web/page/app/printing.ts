/** Whether the page is being printed, when all of it is wanted at once. */
import { useSyncExternalStore } from 'react';
import { flushSync } from 'react-dom';

const print = globalThis.matchMedia?.('print');
let isAnnounced = false;

function subscribe(listener: () => void): () => void {
  // What is printed is what is in the page when these return.
  const told = (isPrinting: boolean | null) => () => {
    if (isPrinting !== null) isAnnounced = isPrinting;
    flushSync(listener);
  };
  const [begin, end, change] = [told(true), told(false), told(null)];
  window.addEventListener('beforeprint', begin);
  window.addEventListener('afterprint', end);
  print?.addEventListener('change', change);
  return () => {
    window.removeEventListener('beforeprint', begin);
    window.removeEventListener('afterprint', end);
    print?.removeEventListener('change', change);
  };
}

export function usePrinting(): boolean {
  return useSyncExternalStore(subscribe, () => isAnnounced || print?.matches === true);
}
