import { type RefObject, useEffect, useRef } from 'react';
import { isComposing } from '../composer/keys.ts';

export type Shortcut = 'newChat' | 'search' | 'find' | 'sidebar' | 'focus' | 'stop' | 'shortcuts';

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');
const COMMAND = isMac ? '⌘' : 'Ctrl';

/** The keys of each, as they are printed on them. */
export const KEYS: Record<Shortcut | 'send' | 'newline', string[]> = {
  send: ['Enter'],
  newline: ['Shift', 'Enter'],
  stop: ['Esc'],
  newChat: [COMMAND, 'Shift', 'O'],
  search: [COMMAND, 'K'],
  find: [COMMAND, 'F'],
  sidebar: [COMMAND, 'B'],
  focus: ['Shift', 'Esc'],
  shortcuts: [COMMAND, '/'],
};

const COMMANDS: Record<string, Shortcut> = { k: 'search', f: 'find', b: 'sidebar', '/': 'shortcuts' };

function pressed(event: KeyboardEvent): Shortcut | null {
  const isCommand = isMac ? event.metaKey : event.ctrlKey;
  const key = event.key.toLowerCase();
  if (key === 'escape') return event.shiftKey ? 'focus' : 'stop';
  if (!isCommand || event.altKey) return null;
  if (event.shiftKey) return key === 'o' ? 'newChat' : null;
  return COMMANDS[key] ?? null;
}

/** Each of *actions* on its keys, pressed *within* an element; one that answers false leaves them to the browser. */
export function useShortcuts(
  actions: Partial<Record<Shortcut, () => unknown>>,
  within?: RefObject<HTMLElement | null>,
): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isComposing(event)) return;
      if (within && !within.current?.contains(event.target as Node)) return;
      const shortcut = pressed(event);
      // An open dialog has the keyboard to itself.
      if (!shortcut || document.querySelector('dialog:modal')) return;
      const action = latest.current[shortcut];
      if (action && action() !== false) event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [within]);
}
