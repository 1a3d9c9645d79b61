import { type FormEvent, type KeyboardEvent, useEffect, useRef } from 'react';
import { CopyButton } from '../app/CopyButton.tsx';
import { IconButton } from '../app/IconButton.tsx';
import { PencilIcon } from '../app/icons.tsx';
import { editKey, forget, useDraft } from '../composer/drafts.ts';
import { isComposing, isSend } from '../composer/keys.ts';
import { useExcess } from '../composer/limit.ts';
import { TooLong } from '../composer/TooLong.tsx';
import { useWords } from '../words/words.ts';
import { Branches } from './Branches.tsx';
import { Bubble } from './Bubble.tsx';
import { Parts } from './LazyParts.tsx';
import type { MessageProps } from './messageProps.ts';
import { Time } from './Time.tsx';
import { isKnownUnsent, Unsent } from './Unsent.tsx';

/** A user's message, which can be copied, and edited in its place. */
export function UserMessage({ message, isLast, isEditing, isFound, canAct, actions }: MessageProps) {
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
    <article
      className="message user"
      aria-label={words.you}
      data-message={message.id}
      data-state={message.state}
      data-found={isFound || undefined}
    >
      <h2 className="visually-hidden">{words.you}</h2>
      {message.parts && <Parts parts={message.parts} />}
      {message.content !== '' && <Bubble text={message.content} />}
      <footer className="message-actions">
        {canAct && (
          <IconButton ref={editButton} label={words.edit} onClick={() => actions.edit(message.id)}>
            <PencilIcon />
          </IconButton>
        )}
        {message.content !== '' && <CopyButton text={message.content} label={words.copyMessage} />}
        <Time ms={message.createdAt} />
        {isLast && message.branch && <Branches place={message.branch} canAct={canAct} onShow={actions.showBranch} />}
      </footer>
      {isKnownUnsent(message) && <Unsent message={message} actions={actions} />}
    </article>
  );
}

function EditForm({ message, actions }: Pick<MessageProps, 'message' | 'actions'>) {
  const words = useWords();
  const key = editKey(message);
  const [text, setText] = useDraft(key, message.content);
  const excess = useExcess(text);
  const canSend = (text.trim() !== '' || message.parts !== undefined) && !excess;
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (canSend) actions.resend(message.id, text.trim());
  };
  const giveUp = () => {
    forget(key);
    actions.edit(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event.nativeEvent)) return;
    if (event.key === 'Escape') giveUp();
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
        aria-describedby="edit-excess"
        aria-invalid={excess !== null}
        enterKeyHint="enter"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <p className="note">{words.editNote}</p>
      <TooLong excess={excess} id="edit-excess" />
      <footer>
        <button type="button" className="button" onClick={giveUp}>
          {words.cancel}
        </button>
        <button type="submit" className="button primary" disabled={!canSend}>
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
