import { useEffect, useState } from 'react';
import type { UseRoom } from '../../react/useRoom.ts';
import { CopyButton } from '../app/CopyButton.tsx';
import { Dialog } from '../dialogs/Dialog.tsx';
import { useFurtherWords } from '../words/further.ts';

interface ShareDialogProps {
  room: UseRoom;
  roomId: string;
  onClose(): void;
}

/** The link that lets others in. Who was invited, and may not invite, hands on the link that they came by. */
export function ShareDialog({ room, roomId, onClose }: ShareDialogProps) {
  const further = useFurtherWords();
  const { invite } = room;
  const [role, setRole] = useState<'member' | 'reader'>('member');
  const [link, setLink] = useState('');
  const [mayChoose, setMayChoose] = useState(true);
  useEffect(() => {
    let isWanted = true;
    const at = `${location.origin}/r/${encodeURIComponent(roomId)}`;
    setLink('');
    invite(role).then(
      (token) => isWanted && setLink(`${at}#${token}`),
      () => {
        if (!isWanted) return;
        setMayChoose(false);
        setLink(at + location.hash);
      },
    );
    return () => {
      isWanted = false;
    };
  }, [invite, role, roomId]);
  return (
    <Dialog title={further.shareRoom} onClose={onClose}>
      <p>{further.shareMeaning}</p>
      {mayChoose && (
        <fieldset className="choices">
          <legend className="visually-hidden">{further.linkRights}</legend>
          {(['member', 'reader'] as const).map((value) => (
            <label className="choice" key={value}>
              <input type="radio" name="role" checked={role === value} onChange={() => setRole(value)} />
              <span>{value === 'member' ? further.linkWrites : further.linkReads}</span>
            </label>
          ))}
        </fieldset>
      )}
      <div className="share-link">
        <label className="field">
          <span>{further.roomLink}</span>
          <input readOnly value={link} aria-busy={link === ''} onFocus={(event) => event.target.select()} />
        </label>
        {link && <CopyButton text={link} label={further.copyLink} />}
      </div>
    </Dialog>
  );
}
