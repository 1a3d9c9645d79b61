/** Light, dark or as the system: what `theme.js` reads before the first paint. */
import { useState } from 'react';

export type Theme = 'auto' | 'light' | 'dark';
const KEY = 'headrace.theme';
const ORDER: readonly Theme[] = ['auto', 'light', 'dark'];

function current(): Theme {
  const set = document.documentElement.dataset.theme;
  return set === 'light' || set === 'dark' ? set : 'auto';
}

function apply(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // No storage: it holds until the page is closed.
  }
}

/** The theme, and what goes on to the next one. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(current);
  const next = () => {
    const following = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'auto';
    apply(following);
    setTheme(following);
  };
  return [theme, next];
}
