import { useEffect, useState } from 'react';
import type { Conversation, HeadraceClient } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

/** A conversation that was deleted just now. */
export interface RemovedConversation {
  conversation: Conversation;
  /** It was shown. */
  isCurrent: boolean;
  /** Settles once the server has answered. */
  done: Promise<void>;
}

interface RemovedProps {
  client: HeadraceClient;
  removed: RemovedConversation;
  onBack(removed: RemovedConversation): void;
  onClose(): void;
}

const OFFERED_MS = 10_000;

/** Says that a conversation was deleted, and for ten seconds offers to bring it back. */
export function Removed({ client, removed, onBack, onClose }: RemovedProps) {
  const words = useWords();
  const [hasFailed, setFailed] = useState(false);
  const { conversation } = removed;
  useEffect(() => {
    const timer = setTimeout(onClose, OFFERED_MS);
    return () => clearTimeout(timer);
  }, [onClose]);
  const undo = async () => {
    await removed.done;
    try {
      await client.restore(conversation.id);
      onBack(removed);
    } catch {
      setFailed(true);
    }
  };
  return (
    <div className="toast" role="status">
      <span className="said" dir="auto">
        {hasFailed ? words.undoFailed : words.removed(conversation.title || words.untitled)}
      </span>
      {!hasFailed && (
        <button type="button" className="link-button" onClick={() => void undo()}>
          {words.undo}
        </button>
      )}
      <IconButton label={words.dismiss} onClick={onClose}>
        <CloseIcon />
      </IconButton>
    </div>
  );
}
