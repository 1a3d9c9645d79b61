import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';

interface RemoveDialogProps {
  title: string;
  onConfirm(): void;
  onClose(): void;
}

/** Asks before a conversation is deleted. */
export function RemoveDialog({ title, onConfirm, onClose }: RemoveDialogProps) {
  const words = useWords();
  return (
    <Dialog title={words.removeQuestion} onClose={onClose}>
      <p>{words.removeMeaning(title)}</p>
      <footer>
        <button type="button" className="button" onClick={onClose}>
          {words.cancel}
        </button>
        <button type="button" className="button danger" onClick={onConfirm}>
          {words.removeConfirm}
        </button>
      </footer>
    </Dialog>
  );
}
