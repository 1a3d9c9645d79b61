import { useWords } from '../words/words.ts';
import { IconButton } from './IconButton.tsx';
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
          <IconButton label={words.openSidebar} aria-controls="sidebar" aria-expanded="false" onClick={onSidebar}>
            <SidebarIcon />
          </IconButton>
          <IconButton label={words.newChat} onClick={onNewChat}>
            <PlusIcon />
          </IconButton>
        </>
      )}
      <h1 dir="auto">{title ?? words.untitled}</h1>
      <IconButton className="keyboard-only" label={words.shortcuts} onClick={onShortcuts}>
        <KeyboardIcon />
      </IconButton>
      <IconButton label={themeLabel} onClick={nextTheme}>
        {theme === 'light' ? <SunIcon /> : theme === 'dark' ? <MoonIcon /> : <AutoIcon />}
      </IconButton>
    </header>
  );
}
