import { Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { HeadraceClient } from '../../client/index.js';
import { useComparing } from '../compare/useComparing.ts';
import { isTouch } from '../composer/keys.ts';
import { LimitProvider, useLimit } from '../composer/limit.ts';
import { LinkGuard } from '../dialogs/LinkGuard.tsx';
import type { RemovedConversation } from '../sidebar/Removed.tsx';
import { Sidebar } from '../sidebar/Sidebar.tsx';
import { SpeechProvider, useSpeech } from '../speech/ReadAloud.tsx';
import { Thread } from '../thread/Thread.tsx';
import type { Wanted } from '../thread/useFinding.ts';
import { useWords } from '../words/words.ts';
import { Header } from './Header.tsx';
import { later } from './later.tsx';
import { useRoute } from './route.ts';
import { signIn } from './session.ts';
import { useShortcuts } from './shortcuts.ts';
import { useEnded } from './useEnded.ts';
import { useModels } from './useModels.ts';
import { useOutbox } from './useOutbox.ts';
import { useSidebar } from './useSidebar.ts';

const Compare = later(async () => (await import('../compare/Compare.tsx')).default);
const KeyDialog = later(async () => (await import('../dialogs/KeyDialog.tsx')).KeyDialog);
const NotDone = later(async () => (await import('../dialogs/NotDone.tsx')).NotDone);
const Removed = later(async () => (await import('../sidebar/Removed.tsx')).Removed);
const Tooltip = later(async () => (await import('./Tooltip.tsx')).Tooltip);
const ShortcutsDialog = later(async () => (await import('../dialogs/ShortcutsDialog.tsx')).ShortcutsDialog);

/** The whole page: which conversation is shown, what stands beside it, and the dialogs above it. */
export function App() {
  const words = useWords();
  const route = useRoute();
  const [client] = useState(() => new HeadraceClient());
  /** Counts the keys given: with another one, all is asked for again. */
  const [keyNumber, setKeyNumber] = useState(0);
  const [hasFailedToSignIn, setHasFailedToSignIn] = useState(false);
  const [dialog, setDialog] = useState<'key' | 'shortcuts' | null>(null);
  const [title, setTitle] = useState<string | null>(null);
  const [revision, setRevision] = useState(0);
  const { models, model, choose } = useModels(client, keyNumber);
  const sidebar = useSidebar();
  const limit = useLimit(client);
  const speech = useSpeech(client, route.key);
  const unsentElsewhere = useOutbox(client, route.conversationId);
  const field = useRef<HTMLTextAreaElement>(null);
  const searchField = useRef<HTMLInputElement>(null);

  const { comparing, begin: beginComparing, end: stopComparing } = useComparing(client);
  const { open, settle } = route;
  const { hideDrawer } = sidebar;
  /** What the conversation was opened for. */
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const openAndClose = useCallback(
    (id: string | null, found?: Wanted) => {
      open(id);
      setWanted(found ?? null);
      stopComparing();
      hideDrawer();
    },
    [open, hideDrawer, stopComparing],
  );
  const [removed, setRemoved] = useState<RemovedConversation | null>(null);
  const forgetRemoved = useCallback(() => setRemoved(null), []);
  const bringBack = ({ conversation, isCurrent }: RemovedConversation) => {
    setRemoved(null);
    setRevision((number) => number + 1);
    if (isCurrent) openAndClose(conversation.id);
  };
  const keepCompared = (id: string | null) => {
    stopComparing();
    setRevision((number) => number + 1);
    openAndClose(id ?? comparing?.from?.id ?? null);
  };
  const newChat = useCallback(() => openAndClose(null), [openAndClose]);
  const [isStreaming, setStreaming] = useState(false);
  const onTurn = useCallback((isGoingOn: boolean) => {
    setStreaming(isGoingOn);
    setRevision((number) => number + 1);
  }, []);
  const isEnded = useEnded(isStreaming, title ?? words.name, words.replyFinished);
  const [notDone, setNotDone] = useState<'room' | 'compare' | null>(null);
  const askKey = useCallback(() => setDialog('key'), []);
  const begin = async (id: string | null) => setNotDone((await beginComparing(id)) ? null : 'compare');
  const room = async () => {
    const made = await import('../room/identity.ts').then(({ startRoom }) => startRoom()).catch(() => 'failed');
    if (made === 'key') askKey();
    else setNotDone(made === 'failed' ? 'room' : null);
  };
  useShortcuts({
    newChat,
    search: () => sidebar.show(() => searchField.current?.focus()),
    sidebar: () => sidebar.toggle(),
    focus: () => field.current?.focus(),
    stop: () => sidebar.hideDrawer(),
    shortcuts: () => setDialog('shortcuts'),
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: with every conversation that is opened
  useEffect(() => {
    if (!isTouch()) field.current?.focus({ preventScroll: true });
  }, [route.key]);
  useEffect(() => {
    document.documentElement.lang = words.language;
  }, [words]);
  useEffect(() => {
    document.title = `${isEnded ? '● ' : ''}${title ? `${title} · ${words.name}` : words.name}`;
  }, [title, words, isEnded]);

  return (
    <LinkGuard>
      <a className="skip" href="#message">
        {words.skipToMessage}
      </a>
      <div className="page" data-sidebar={sidebar.isShown ? 'shown' : 'hidden'}>
        {sidebar.isShown && (
          <Sidebar
            key={`sidebar ${keyNumber}`}
            client={client}
            currentId={route.conversationId}
            revision={revision}
            searchField={searchField}
            onOpen={openAndClose}
            onHide={sidebar.toggle}
            onUnauthorized={askKey}
            onRemoved={setRemoved}
          />
        )}
        {sidebar.isDrawer && sidebar.isShown && (
          <div className="veil" aria-hidden="true" onClick={sidebar.hideDrawer} />
        )}
        {comparing ? (
          <Suspense>
            <Compare client={client} models={models} from={comparing.from} onDone={keepCompared} />
          </Suspense>
        ) : (
          <div className="thread" inert={sidebar.isDrawer && sidebar.isShown}>
            <Header
              title={title}
              isSidebarShown={sidebar.isShown}
              onSidebar={sidebar.toggle}
              onNewChat={newChat}
              onShortcuts={() => setDialog('shortcuts')}
              onRoom={room}
            />
            <main>
              <LimitProvider value={limit}>
                <SpeechProvider value={speech}>
                  <Thread
                    key={`${route.key} ${keyNumber}`}
                    client={client}
                    conversationId={route.conversationId}
                    models={models}
                    model={model}
                    field={field}
                    wanted={wanted}
                    hasSettings
                    unsentElsewhere={unsentElsewhere}
                    onOpen={openAndClose}
                    onCompare={models.length > 1 ? begin : undefined}
                    onModel={choose}
                    onConversation={settle}
                    onNewChat={newChat}
                    onTitle={setTitle}
                    onTurn={onTurn}
                    onUnauthorized={askKey}
                  />
                </SpeechProvider>
              </LimitProvider>
            </main>
          </div>
        )}
      </div>
      <Suspense>
        <Tooltip />
      </Suspense>
      <Suspense>
        {removed && (
          <Removed
            key={removed.conversation.id}
            client={client}
            removed={removed}
            onBack={bringBack}
            onClose={forgetRemoved}
          />
        )}
      </Suspense>
      <Suspense>{notDone && <NotDone what={notDone} onClose={() => setNotDone(null)} />}</Suspense>
      <Suspense>
        {dialog === 'shortcuts' && <ShortcutsDialog onClose={() => setDialog(null)} />}
        {dialog === 'key' && (
          <KeyDialog
            isRefused={keyNumber > 0}
            hasFailed={hasFailedToSignIn}
            onKey={async (key, remember) => {
              const came = remember ? await signIn(key) : 'in';
              setHasFailedToSignIn(came === 'failed');
              if (came === 'failed') return;
              client.apiKey = remember ? undefined : key;
              setKeyNumber(keyNumber + 1);
              if (came === 'in') setDialog(null);
            }}
            onClose={() => setDialog(null)}
          />
        )}
      </Suspense>
    </LinkGuard>
  );
}
