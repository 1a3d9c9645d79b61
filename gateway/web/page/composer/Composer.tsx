import {
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  Suspense,
  useLayoutEffect,
  useRef,
} from 'react';
import type { MessagePart } from '../../client/index.js';
import { ArrowUpIcon, StopIcon } from '../app/icons.tsx';
import { later } from '../app/later.tsx';
import { useWords } from '../words/words.ts';
import { AttachButton } from './AttachButton.tsx';
import { useDraft } from './drafts.ts';
import { isSend, isTouch } from './keys.ts';
import { useExcess } from './limit.ts';
import { TooLong } from './TooLong.tsx';
import { type Upload, useAttachments } from './useAttachments.ts';

const AttachmentList = later(async () => (await import('./AttachmentList.tsx')).AttachmentList);

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  /** What is written here is kept under this name. */
  draftKey: string;
  isStreaming: boolean;
  /** Keeps a picture or a file that is to go with a message; without it there are none. */
  onUpload?: Upload | undefined;
  onSend(text: string, parts: readonly MessagePart[]): void;
  onStop(): void;
  /** Told whenever something is typed. */
  onType?(): void;
  children: ReactNode;
}

/**
 * Where a message is written. What is written stays until it has been sent; while a reply is on its way, the
 * next message can be.
 */
export function Composer({ field, draftKey, isStreaming, onUpload, onSend, onStop, onType, children }: ComposerProps) {
  const words = useWords();
  const [text, setText] = useDraft(draftKey);
  const excess = useExcess(text);
  const form = useRef<HTMLFormElement>(null);
  const { items, isBusy, add, remove, take } = useAttachments(onUpload, draftKey);
  const isEmpty = text.trim() === '' && !items.some(({ part }) => part);
  // What is refused is not sent without a word: it is taken away first.
  const canSend = !isEmpty && !excess && !isBusy && !items.some(({ refused }) => refused);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another text needs another height
  useLayoutEffect(() => fitted(field.current), [field, text]);

  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (!canSend) return;
    onSend(text.trim(), take());
    setText('');
    goOnWriting();
  };
  const stop = () => {
    onStop();
    goOnWriting();
  };
  // The button pressed goes away with its purpose, and would take the focus with it. On a phone the keyboard
  // would come up over the reply.
  const goOnWriting = () => {
    if (!isTouch()) field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!isSend(event.nativeEvent)) return;
    event.preventDefault();
    send();
  };
  const onPaste = ({ clipboardData }: ClipboardEvent) => clipboardData.files.length > 0 && add(clipboardData.files);
  return (
    <form className="composer" ref={form} onSubmit={send}>
      {items.length > 0 && (
        <Suspense>
          <AttachmentList items={items} onRemove={remove} />
        </Suspense>
      )}
      <textarea
        ref={field}
        id="message"
        dir="auto"
        rows={1}
        value={text}
        placeholder={words.placeholder}
        aria-label={words.message}
        aria-describedby="message-excess"
        aria-invalid={excess !== null}
        enterKeyHint="enter"
        onChange={(event) => {
          setText(event.target.value);
          onType?.();
        }}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      <TooLong excess={excess} id="message-excess" />
      <div className="composer-row">
        {onUpload && <AttachButton form={form} onFiles={add} />}
        {children}
        <span className="keys-hint">{isStreaming && !isEmpty ? words.queueHint : words.keysHint}</span>
        {isStreaming && (
          <button type="button" className="round-button stop" aria-label={words.stop} title={words.stop} onClick={stop}>
            <StopIcon />
          </button>
        )}
        {!(isStreaming && isEmpty) && (
          <button type="submit" className="round-button" aria-label={words.send} title={words.send} disabled={!canSend}>
            <ArrowUpIcon />
          </button>
        )}
      </div>
    </form>
  );
}

/** As high as its text; the style sheet says how high at most. */
function fitted(area: HTMLTextAreaElement | null): void {
  if (!area || CSS.supports('field-sizing', 'content')) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight}px`;
}
