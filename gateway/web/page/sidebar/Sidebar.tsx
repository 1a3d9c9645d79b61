import { type KeyboardEvent, memo, type RefObject, Suspense, useCallback, useEffect, useState } from 'react';
import { type Conversation, type HeadraceClient, HeadraceError, type ListedConversation } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { BrandIcon, PlusIcon, SearchIcon, SidebarIcon } from '../app/icons.tsx';
import { later } from '../app/later.tsx';
import { isComposing } from '../composer/keys.ts';
import type { Wanted } from '../thread/useFinding.ts';
import { useWords } from '../words/words.ts';
import { ConversationItem } from './ConversationItem.tsx';
import { More } from './More.tsx';
import { byPeriod } from './periods.ts';
import type { RemovedConversation } from './Removed.tsx';
import { useConversations } from './useConversations.ts';

const RemoveDialog = later(async () => (await import('../dialogs/RemoveDialog.tsx')).RemoveDialog);

interface SidebarProps {
  client: HeadraceClient;
  currentId: string | null;
  /** Changes when the list may have changed. */
  revision: number;
  searchField: RefObject<HTMLInputElement | null>;
  onOpen(id: string | null, found?: Wanted): void;
  onHide(): void;
  onUnauthorized(): void;
  onRemoved(removed: RemovedConversation): void;
}

/** The conversations: a new one, a search, and all of them by the day they were last used. */
export const Sidebar = memo(function Sidebar(props: SidebarProps) {
  const { client, currentId, revision, searchField, onOpen, onHide, onUnauthorized, onRemoved } = props;
  const words = useWords();
  const [query, setQuery] = useState('');
  const conversations = useConversations(client, query.trim(), revision);
  const [removing, setRemoving] = useState<Conversation | null>(null);
  const { error, found } = conversations;
  const foundBy = found?.query ?? '';
  /** Where the text was found, if it was in a message. */
  const openFound = useCallback(
    ({ id, hit }: ListedConversation) =>
      onOpen(id, hit && { query: foundBy, generationId: hit.generation_id, role: hit.role }),
    [onOpen, foundBy],
  );
  /** Enter was pressed before what is looked for had been found. */
  const [isOpening, setOpening] = useState(false);
  const first = found?.list[0];
  const isFound = found?.query === query.trim();
  useEffect(() => {
    if (!isOpening || !isFound) return;
    setOpening(false);
    if (first !== undefined) openFound(first);
  }, [isOpening, isFound, first, openFound]);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const links = [...event.currentTarget.querySelectorAll<HTMLElement>('.conversation a')];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const isField = event.target === searchField.current;
    if (isComposing(event.nativeEvent) || (at < 0 && !isField)) return;
    if (event.key === 'Enter' && isField) setOpening(query.trim() !== '');
    else if (event.key === 'ArrowDown') links[at + 1]?.focus();
    else if (event.key === 'ArrowUp') (links[at - 1] ?? searchField.current)?.focus();
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    if (error instanceof HeadraceError && error.status === 401) onUnauthorized();
  }, [error, onUnauthorized]);
  const remove = () => {
    if (!removing) return;
    const isCurrent = removing.id === currentId;
    onRemoved({ conversation: removing, isCurrent, done: conversations.remove(removing.id) });
    if (isCurrent) onOpen(null);
    setRemoving(null);
  };
  return (
    <nav className="sidebar" id="sidebar" aria-label={words.conversations} onKeyDown={onKeyDown}>
      <header>
        <span className="brand">
          <BrandIcon />
          {words.name}
        </span>
        <IconButton label={words.closeSidebar} aria-controls="sidebar" aria-expanded="true" onClick={onHide}>
          <SidebarIcon />
        </IconButton>
      </header>
      <button type="button" className="button new-chat" onClick={() => onOpen(null)}>
        <PlusIcon />
        {words.newChat}
      </button>
      <label className="search">
        <SearchIcon />
        <input
          ref={searchField}
          type="search"
          dir="auto"
          value={query}
          placeholder={words.search}
          aria-label={words.search}
          onBlur={() => setOpening(false)}
          onChange={(event) => {
            setOpening(false);
            setQuery(event.target.value);
          }}
        />
      </label>
      <div className="list">
        {found?.list.length === 0 && <p className="hint">{found.query ? words.noneFound : words.noConversations}</p>}
        {error !== null && (
          <p className="hint" role="alert">
            {words.listFailed}{' '}
            <button type="button" className="link-button" onClick={conversations.refresh}>
              {words.retry}
            </button>
          </p>
        )}
        {byPeriod(found?.list ?? []).map(([period, members]) => (
          <section key={period} aria-label={words[period]}>
            <h2>{words[period]}</h2>
            <ul>
              {members.map((each) => (
                <ConversationItem
                  key={each.id}
                  conversation={each}
                  query={found?.query ?? ''}
                  isCurrent={each.id === currentId}
                  onOpen={openFound}
                  onRename={conversations.rename}
                  onRemove={setRemoving}
                />
              ))}
            </ul>
          </section>
        ))}
        {found?.hasMore && isFound && <More shown={found.list.length} onMore={conversations.more} />}
        {found?.isIncomplete && <p className="hint">{words.searchIncomplete}</p>}
      </div>
      {removing && (
        <Suspense>
          <RemoveDialog title={removing.title || words.untitled} onConfirm={remove} onClose={() => setRemoving(null)} />
        </Suspense>
      )}
    </nav>
  );
});
