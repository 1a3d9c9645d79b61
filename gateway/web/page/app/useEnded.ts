/** Tells who looks elsewhere that a reply has ended: by the tab's icon and title, and a notification where one is allowed. */
import { useEffect, useRef, useState } from 'react';

const ICON = '/icon.svg';
const ENDED_ICON = '/icon-ended.svg';

/** Whether a reply has ended that its reader has not come back to. */
export function useEnded(isStreaming: boolean, title: string, text: string): boolean {
  const [isEnded, setEnded] = useState(false);
  const wasStreaming = useRef(isStreaming);
  const latest = useRef({ title, text });
  latest.current = { title, text };
  useEffect(() => {
    const hasEnded = wasStreaming.current && !isStreaming;
    wasStreaming.current = isStreaming;
    if (!hasEnded || document.visibilityState === 'visible') return;
    setEnded(true);
    notify(latest.current.title, latest.current.text);
  }, [isStreaming]);
  useEffect(() => {
    const onSeen = () => document.visibilityState === 'visible' && setEnded(false);
    document.addEventListener('visibilitychange', onSeen);
    return () => document.removeEventListener('visibilitychange', onSeen);
  }, []);
  useEffect(() => {
    document.querySelector('link[rel=icon]')?.setAttribute('href', isEnded ? ENDED_ICON : ICON);
  }, [isEnded]);
  return isEnded;
}

/** Whether the reader could be asked, and has not been. */
export function mayAsk(): boolean {
  try {
    return globalThis.Notification?.permission === 'default' && localStorage.getItem(ASKED) === null;
  } catch {
    return false;
  }
}

const ASKED = 'headrace.asked';

/** Asked once, whatever the answer. */
export async function ask(isWanted: boolean): Promise<void> {
  try {
    localStorage.setItem(ASKED, '1');
  } catch {
    // No storage: it may be asked again.
  }
  if (isWanted) await Notification.requestPermission().catch(() => {});
}

function notify(title: string, body: string): void {
  if (globalThis.Notification?.permission !== 'granted') return;
  try {
    const told = new Notification(title, { body, icon: ICON, tag: 'headrace' });
    told.onclick = () => {
      window.focus();
      told.close();
    };
  } catch {
    // Phones have them only from service workers.
  }
}
