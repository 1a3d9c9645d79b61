import { useWords } from '../words/words.ts';
import { AutoIcon, KeyboardIcon, MoonIcon, PlusIcon, SidebarIcon, SunIcon } from './icons.tsx';
import { useTheme } from './theme.ts';

interface HeaderProps {
  title: string | null;
  isSidebarShown: boolean;
  onSidebar(): void;
  onNewChat(): void;
  onShortcuts(): void;
}

/** The conversation's title, and the buttons that belong to the page. */
export function Header({ title, isSidebarShown, onSidebar, onNewChat, onShortcuts }: HeaderProps) {
  const words = useWords();
  const [theme, nextTheme] = useTheme();
  const themeLabel = { auto: words.themeAuto, light: words.themeLight, dark: words.themeDark }[theme];
  return (
    <header className="header">
      {!isSidebarShown && (
        <>
          <button
            type="button"
            className="icon-button"
            aria-label={words.openSidebar}
            title={words.openSidebar}
            aria-controls="sidebar"
            aria-expanded="false"
            onClick={onSidebar}
          >
            <SidebarIcon />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={words.newChat}
            title={words.newChat}
            onClick={onNewChat}
          >
            <PlusIcon />
          </button>
        </>
      )}
      <h1>{title ?? words.untitled}</h1>
      <button
        type="button"
        className="icon-button keyboard-only"
        aria-label={words.shortcuts}
        title={words.shortcuts}
        onClick={onShortcuts}
      >
        <KeyboardIcon />
      </button>
      <button type="button" className="icon-button" aria-label={themeLabel} title={themeLabel} onClick={nextTheme}>
        {theme === 'light' ? <SunIcon /> : theme === 'dark' ? <MoonIcon /> : <AutoIcon />}
      </button>
    </header>
  );
}
