import { type RefObject, useEffect } from 'react';
import type { VirtualizerHandle } from 'virtua';
import type { ChatMessage } from '../../client/index.js';
import { FindBar } from './FindBar.tsx';
import { useFinding, type Wanted } from './useFinding.ts';

interface FinderProps {
  messages: readonly ChatMessage[];
  /** What the conversation was opened for: it is gone to, and the field is left alone. */
  wanted: Wanted | null;
  view: RefObject<HTMLElement | null>;
  list: RefObject<VirtualizerHandle | null>;
  field: RefObject<HTMLInputElement | null>;
  letGo(): void;
  /** The message that is shown, where the text is not drawn as it was found. */
  onFound(messageId: string | null): void;
  onClose(): void;
}

/** Looks for a text in the conversation, for as long as it is there. */
export default function Finder({ messages, wanted, view, list, field, letGo, onFound, onClose }: FinderProps) {
  const finding = useFinding(messages, wanted, view, list, letGo);
  useEffect(() => onFound(finding.messageId), [finding.messageId, onFound]);
  useEffect(() => () => onFound(null), [onFound]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once it is there
  useEffect(() => {
    if (wanted) return;
    field.current?.focus();
    field.current?.select();
  }, []);
  return <FindBar finding={finding} field={field} onClose={onClose} />;
}
