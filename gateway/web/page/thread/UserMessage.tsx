import { type FormEvent, type KeyboardEvent, useState } from 'react';
import { CopyButton } from '../app/CopyButton.tsx';
import { PencilIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import type { MessageProps } from './Message.tsx';

export function UserMessage({ message, isEditing, canAct, actions }: MessageProps) {
  const words = useWords();
  if (isEditing) return <EditForm message={message} actions={actions} />;
  return (
    <article className="message user" aria-label={words.you} data-state={message.state}>
      <h2 className="visually-hidden">{words.you}</h2>
      <div className="bubble" dir="auto">
        {message.content}
      </div>
      <footer className="message-actions">
        {canAct && (
          <button
            type="button"
            className="icon-button"
            aria-label={words.edit}
            title={words.edit}
            onClick={() => actions.edit(message.id)}
          >
            <PencilIcon />
          </button>
        )}
        <CopyButton text={message.content} label={words.copyMessage} />
      </footer>
    </article>
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
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      actions.edit(null);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };
  return (
    <form className="message user edit" onSubmit={send}>
      <textarea
        ref={focused}
        value={text}
        rows={3}
        aria-label={words.editLabel}
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
