import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { CopyButton } from '../app/CopyButton.tsx';
import { IconButton } from '../app/IconButton.tsx';
import { PencilIcon } from '../app/icons.tsx';
import { isComposing, isSend } from '../composer/keys.ts';
import { useWords } from '../words/words.ts';
import type { MessageProps } from './messageProps.ts';

/** A user's message, which can be copied, and edited in its place. */
export function UserMessage({ message, isEditing, canAct, actions }: MessageProps) {
  const words = useWords();
  const editButton = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    // The field is gone, and the focus with it: back to where it came from.
    const isLost = document.activeElement === document.body;
    if (wasEditing.current && !isEditing && isLost) editButton.current?.focus({ preventScroll: true });
    wasEditing.current = isEditing;
  }, [isEditing]);
  if (isEditing) return <EditForm message={message} actions={actions} />;
  return (
    <article className="message user" aria-label={words.you} data-state={message.state}>
      <h2 className="visually-hidden">{words.you}</h2>
      <Bubble text={message.content} />
      <footer className="message-actions">
        {canAct && (
          <IconButton ref={editButton} label={words.edit} onClick={() => actions.edit(message.id)}>
            <PencilIcon />
          </IconButton>
        )}
        <CopyButton text={message.content} label={words.copyMessage} />
      </footer>
    </article>
  );
}

/** More than this is folded away: what was pasted stands between the reader and the reply. */
const LONG_LENGTH = 1500;
const LONG_LINES = 20;

function Bubble({ text }: { text: string }) {
  const words = useWords();
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > LONG_LENGTH || text.split('\n', LONG_LINES + 1).length > LONG_LINES;
  return (
    <div className="bubble" dir="auto">
      <div className={isLong && !isWhole ? 'folded' : undefined}>{text}</div>
      {isLong && (
        <button type="button" className="link-button" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? words.showLess : words.showAll}
        </button>
      )}
    </div>
  );
}

function EditForm({ message, actions }: Pick<MessageProps, 'message' | 'actions'>) {
  const words = useWords();
  const [text, setText] = useState(message.content);
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (text.trim()) actions.resend(message.id, text.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event.nativeEvent)) return;
    if (event.key === 'Escape') actions.edit(null);
    else if (isSend(event.nativeEvent)) send();
    else return;
    event.preventDefault();
  };
  return (
    <form className="message user edit" onSubmit={send}>
      <textarea
        ref={focused}
        dir="auto"
        value={text}
        rows={3}
        aria-label={words.editLabel}
        enterKeyHint="enter"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <p className="note">{words.editNote}</p>
      <footer>
        <button type="button" className="button" onClick={() => actions.edit(null)}>
          {words.cancel}
        </button>
        <button type="submit" className="button primary" disabled={!text.trim()}>
          {words.resend}
        </button>
      </footer>
    </form>
  );
}

function focused(area: HTMLTextAreaElement | null): void {
  if (!area || area === document.activeElement) return;
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}
