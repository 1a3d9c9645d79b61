import { useEffect, useState } from 'react';
import type { Conversation, HeadraceClient } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon } from '../app/icons.tsx';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';

/** A conversation that was deleted just now. */
export interface RemovedConversation {
  conversation: Conversation;
  /** It was shown. */
  isCurrent: boolean;
  /** Whether the server has done it, once it has answered. */
  done: Promise<boolean>;
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
  const further = useFurtherWords();
  const [failed, setFailed] = useState<'removal' | 'undo' | null>(null);
  const { conversation, done } = removed;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isShown = true;
    void done.then((isDone) => {
      if (!isDone) setFailed('removal');
      else if (isShown) timer = setTimeout(onClose, OFFERED_MS);
    });
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [done, onClose]);
  const undo = async () => {
    if (!(await done)) return;
    try {
      await client.restore(conversation.id);
      onBack(removed);
    } catch {
      setFailed('undo');
    }
  };
  const title = conversation.title || words.untitled;
  const said = { removal: further.removeFailed(title), undo: further.undoFailed };
  return (
    <div className="toast" role="status">
      <span className="said" dir="auto">
        {failed ? said[failed] : further.removed(title)}
      </span>
      {!failed && (
        <button type="button" className="link-button" onClick={() => void undo()}>
          {further.undo}
        </button>
      )}
      <IconButton label={words.dismiss} onClick={onClose}>
        <CloseIcon />
      </IconButton>
    </div>
  );
}
