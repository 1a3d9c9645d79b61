import { useFurtherWords } from '../words/further.ts';
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
  const further = useFurtherWords();
  return (
    <Dialog title={further.removeQuestion} onClose={onClose}>
      <p>{further.removeMeaning(title)}</p>
      <footer>
        <button type="button" className="button" onClick={onClose}>
          {words.cancel}
        </button>
        <button type="button" className="button danger" onClick={onConfirm}>
          {further.removeConfirm}
        </button>
      </footer>
    </Dialog>
  );
}
