import { useState } from 'react';
import type { UseRoom } from '../../react/useRoom.ts';
import { Dialog } from '../dialogs/Dialog.tsx';
import { useFurtherWords } from '../words/further.ts';
import { hueOf } from './hue.ts';

interface MembersDialogProps {
  room: UseRoom;
  isCreator: boolean;
  onRename(): void;
  onClose(): void;
}

/** Who is there; and what its creator can do with the room. */
export function MembersDialog({ room, isCreator, onRename, onClose }: MembersDialogProps) {
  const further = useFurtherWords();
  const [asks, setAsks] = useState(false);
  const clear = () => {
    room.clear();
    onClose();
  };
  return (
    <Dialog title={further.peopleHere(room.members.length)} onClose={onClose}>
      <ul className="members">
        {room.members.map(({ userId, name, role }) => (
          <li key={userId} data-hue={hueOf(userId)}>
            <span className="dot" aria-hidden="true" />
            <span dir="auto">{userId === room.userId ? further.itsYou(name) : name}</span>
            {role === 'reader' && <span className="facts">{further.linkReads}</span>}
          </li>
        ))}
      </ul>
      {asks && <p role="alert">{further.clearMeaning}</p>}
      <footer>
        <button type="button" className="button" onClick={onRename}>
          {further.changeName}
        </button>
        {isCreator && (
          <button type="button" className="button danger" onClick={asks ? clear : () => setAsks(true)}>
            {asks ? further.clearConfirm : further.clearRoom}
          </button>
        )}
      </footer>
    </Dialog>
  );
}
