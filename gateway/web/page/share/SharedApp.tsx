import { useEffect, useMemo, useRef, useState } from 'react';
import { HeadraceClient } from '../../client/index.js';
import { useStreamingChat } from '../../react/useStreamingChat.js';
import { IconButton } from '../app/IconButton.tsx';
import { AutoIcon, MoonIcon, SunIcon } from '../app/icons.tsx';
import { useTheme } from '../app/theme.ts';
import { LinkGuard } from '../dialogs/LinkGuard.tsx';
import { ChatThread } from '../thread/Thread.tsx';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import { readOnly } from './readOnly.ts';

/** A conversation as whoever has a link to it sees it: to be read, live, and nothing beside it. */
export default function SharedApp() {
  const words = useWords();
  const further = useFurtherWords();
  const [shareId] = useState(() => location.pathname.split('/')[2] ?? '');
  const [secret, setSecret] = useState(() => location.hash.slice(1));
  useEffect(() => {
    const follow = () => setSecret(location.hash.slice(1));
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  const client = useMemo(
    () => new HeadraceClient({ fetch: readOnly(shareId, secret), share: false }),
    [shareId, secret],
  );
  const chat = useStreamingChat({ client, conversationId: shareId });
  const [title, setTitle] = useState<string | null>(null);
  const [theme, nextTheme] = useTheme();
  const field = useRef<HTMLTextAreaElement>(null);
  const themeLabel = { auto: words.themeAuto, light: words.themeLight, dark: words.themeDark }[theme];
  useEffect(() => {
    document.documentElement.lang = words.language;
    document.title = title ? `${title} · ${words.name}` : words.name;
  }, [title, words]);
  return (
    <LinkGuard>
      <div className="page" data-sidebar="hidden">
        <div className="thread">
          <header className="header">
            <h1 dir="auto">{title ?? words.untitled}</h1>
            <p className="shared-note">{further.sharedNote}</p>
            <IconButton label={themeLabel} onClick={nextTheme}>
              {theme === 'light' ? <SunIcon /> : theme === 'dark' ? <MoonIcon /> : <AutoIcon />}
            </IconButton>
          </header>
          <main>
            <ChatThread
              chat={chat}
              draftKey={`shared.${shareId}`}
              models={NONE}
              model={undefined}
              field={field}
              isReadOnly
              hasComposer={false}
              onModel={ignore}
              onTitle={setTitle}
              onTurn={ignore}
            />
          </main>
        </div>
      </div>
    </LinkGuard>
  );
}

const NONE: readonly never[] = [];
const ignore = (): void => {};
