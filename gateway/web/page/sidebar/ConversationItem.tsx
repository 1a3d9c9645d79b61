import { type FormEvent, type KeyboardEvent, type MouseEvent, memo, useEffect, useRef, useState } from 'react';
import type { ListedConversation } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { BinIcon, CheckIcon, PencilIcon } from '../app/icons.tsx';
import { pathOf } from '../app/route.ts';
import { isComposing } from '../composer/keys.ts';
import { useWords } from '../words/words.ts';
import { Marked } from './Marked.tsx';

interface ConversationItemProps {
  conversation: ListedConversation;
  /** What it was found by. */
  query: string;
  isCurrent: boolean;
  onOpen(conversation: ListedConversation): void;
  onRename(id: string, title: string): void;
  onRemove(conversation: ListedConversation): void;
}

/** One conversation in the list: opened by a click, renamed in its place, deleted after a question. */
export const ConversationItem = memo(function ConversationItem(props: ConversationItemProps) {
  const { conversation, query, isCurrent, onOpen, onRename, onRemove } = props;
  const words = useWords();
  const [isRenaming, setRenaming] = useState(false);
  const renameButton = useRef<HTMLButtonElement>(null);
  const wasRenaming = useRef(false);
  useEffect(() => {
    const isLost = document.activeElement === document.body;
    if (wasRenaming.current && !isRenaming && isLost) renameButton.current?.focus({ preventScroll: true });
    wasRenaming.current = isRenaming;
  }, [isRenaming]);
  const title = conversation.title || words.untitled;
  if (isRenaming) {
    const finish = (changed: string) => {
      setRenaming(false);
      if (changed && changed !== title) onRename(conversation.id, changed);
    };
    return (
      <li>
        <TitleForm title={title} onFinish={finish} onCancel={() => setRenaming(false)} />
      </li>
    );
  }
  const open = (event: MouseEvent) => {
    // With a modifier the browser opens a tab or window of its own.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onOpen(conversation);
  };
  return (
    <li className="conversation">
      <a href={pathOf(conversation.id)} aria-current={isCurrent ? 'page' : undefined} title={title} onClick={open}>
        <span className="lines">
          <span className="title" dir="auto">
            <Marked text={title} query={query} isTitle />
          </span>
          {conversation.snippet && (
            <span className="snippet" dir="auto">
              <Marked text={conversation.snippet} query={query} />
            </span>
          )}
        </span>
        {conversation.active && (
          <span className="answering">
            <span className="visually-hidden">({words.answering})</span>
          </span>
        )}
      </a>
      <span className="actions">
        <IconButton ref={renameButton} label={words.rename(title)} onClick={() => setRenaming(true)}>
          <PencilIcon />
        </IconButton>
        <IconButton label={words.remove(title)} onClick={() => onRemove(conversation)}>
          <BinIcon />
        </IconButton>
      </span>
    </li>
  );
});

interface TitleFormProps {
  title: string;
  onFinish(title: string): void;
  onCancel(): void;
}

function TitleForm({ title, onFinish, onCancel }: TitleFormProps) {
  const words = useWords();
  const [value, setValue] = useState(title);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onFinish(value.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || isComposing(event.nativeEvent)) return;
    event.preventDefault();
    onCancel();
  };
  return (
    <form className="title-form" onSubmit={submit}>
      <input
        ref={selected}
        dir="auto"
        value={value}
        maxLength={200}
        aria-label={words.titleOf}
        onChange={(event) => setValue(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={() => onFinish(value.trim())}
      />
      {/* The press must not take the focus away first: that would end the form before its click. */}
      <IconButton type="submit" label={words.save} onPointerDown={(event) => event.preventDefault()}>
        <CheckIcon />
      </IconButton>
    </form>
  );
}

function selected(input: HTMLInputElement | null): void {
  input?.focus();
  input?.select();
}
