import { useWords } from '../words/words.ts';
import { IconButton } from './IconButton.tsx';
import { KeyboardIcon, MembersIcon, PlusIcon, SidebarIcon } from './icons.tsx';
import { ThemeButton } from './ThemeButton.tsx';

interface HeaderProps {
  title: string | null;
  isSidebarShown: boolean;
  onSidebar(): void;
  onNewChat(): void;
  onShortcuts(): void;
  onRoom(): void;
}

/** The conversation's title, and the buttons that belong to the page. */
export function Header({ title, isSidebarShown, onSidebar, onNewChat, onShortcuts, onRoom }: HeaderProps) {
  const words = useWords();
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
      <IconButton label={words.startRoom} onClick={onRoom}>
        <MembersIcon />
      </IconButton>
      <IconButton className="keyboard-only" label={words.shortcuts} onClick={onShortcuts}>
        <KeyboardIcon />
      </IconButton>
      <ThemeButton />
    </header>
  );
}
