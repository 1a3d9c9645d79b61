import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';

interface LeaveDialogProps {
  address: string;
  onGo(): void;
  onClose(): void;
}

/** Where a link really leads. */
export function LeaveDialog({ address, onGo, onClose }: LeaveDialogProps) {
  const words = useWords();
  const further = useFurtherWords();
  return (
    <Dialog title={further.leaveTitle} onClose={onClose}>
      <p>{further.leaveMeaning}</p>
      <p className="address" dir="ltr">
        {address}
      </p>
      <footer>
        <button type="button" className="button" onClick={onClose}>
          {words.cancel}
        </button>
        <button type="button" className="button primary" onClick={onGo}>
          {further.leaveConfirm}
        </button>
      </footer>
    </Dialog>
  );
}
