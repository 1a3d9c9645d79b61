import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon } from '../app/icons.tsx';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';

interface NotDoneProps {
  what: 'room' | 'compare';
  onClose(): void;
}

/** Says what a button could not do. */
export function NotDone({ what, onClose }: NotDoneProps) {
  const words = useWords();
  const further = useFurtherWords();
  return (
    <div className="toast" role="alert">
      <span className="said">{what === 'room' ? further.roomFailed : further.compareFailed}</span>
      <IconButton label={words.dismiss} onClick={onClose}>
        <CloseIcon />
      </IconButton>
    </div>
  );
}
