import { useCallback, useState, useSyncExternalStore } from 'react';
import { flushSync } from 'react-dom';

const narrow = matchMedia('(max-width: 760px)');

function subscribe(listener: () => void): () => void {
  narrow.addEventListener('change', listener);
  return () => narrow.removeEventListener('change', listener);
}

interface SidebarState {
  /** Over the thread, as on a phone, and not beside it. */
  isDrawer: boolean;
  isShown: boolean;
  toggle(): void;
  /** Show it, then do *next* with it. */
  show(next: () => void): void;
  /** True if there was an open drawer to hide. */
  hideDrawer(): boolean;
}

/** Whether the conversations are shown: beside the thread where there is room, as a drawer above it elsewhere. */
export function useSidebar(): SidebarState {
  const isDrawer = useSyncExternalStore(subscribe, () => narrow.matches);
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [isBeside, setBeside] = useState(true);
  const isShown = isDrawer ? isDrawerOpen : isBeside;
  const set = isDrawer ? setDrawerOpen : setBeside;
  const toggle = useCallback(() => {
    flushSync(() => set((shown) => !shown));
    // The button that was pressed is gone; its counterpart is there now.
    document.querySelector<HTMLElement>('[aria-controls="sidebar"]')?.focus();
  }, [set]);
  const show = (next: () => void) => {
    flushSync(() => set(true));
    next();
  };
  const hideDrawer = useCallback(() => {
    if (!isDrawer || !isDrawerOpen) return false;
    setDrawerOpen(false);
    return true;
  }, [isDrawer, isDrawerOpen]);
  return { isDrawer, isShown, toggle, show, hideDrawer };
}
