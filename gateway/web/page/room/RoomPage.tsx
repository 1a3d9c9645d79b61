import { useEffect, useMemo, useRef, useState } from 'react';
import { HeadraceClient } from '../../client/index.js';
import { useRoom } from '../../react/useRoom.ts';
import { IconButton } from '../app/IconButton.tsx';
import { MembersIcon, PlusIcon, ShareIcon } from '../app/icons.tsx';
import { signIn } from '../app/session.ts';
import { ThemeButton } from '../app/ThemeButton.tsx';
import { Composer } from '../composer/Composer.tsx';
import { isTouch } from '../composer/keys.ts';
import { LimitProvider, useLimit } from '../composer/limit.ts';
import { KeyDialog } from '../dialogs/KeyDialog.tsx';
import { LinkGuard } from '../dialogs/LinkGuard.tsx';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import { invitationOf, useIdentity } from './identity.ts';
import { MembersDialog } from './MembersDialog.tsx';
import { NameForm } from './NameForm.tsx';
import { RoomThread } from './RoomThread.tsx';
import { ShareDialog } from './ShareDialog.tsx';
import '../styles/room.css';

/** A room: several people and the model in one conversation. The name by which one is called there comes first. */
export default function RoomPage({ roomId }: { roomId: string }) {
  const words = useWords();
  const further = useFurtherWords();
  const { name, userId, choose } = useIdentity();
  const [keyNumber, setKeyNumber] = useState(0);
  const [hasFailed, setHasFailed] = useState(false);
  const [isOpen, setOpen] = useState<boolean | null>(invitationOf() === '' ? null : true);
  useEffect(() => {
    document.documentElement.lang = words.language;
    document.title = `${further.room} · ${words.name}`;
  }, [words, further]);
  // A page is not told why a WebSocket was refused, so that is asked beforehand.
  // biome-ignore lint/correctness/useExhaustiveDependencies: with another key it is asked again
  useEffect(() => {
    if (invitationOf() !== '') return;
    const asking = new AbortController();
    fetch(`/api/rooms/${encodeURIComponent(roomId)}`, { signal: asking.signal }).then(
      ({ status }) => setOpen(status !== 401),
      () => !asking.signal.aborted && setOpen(true),
    );
    return () => asking.abort();
  }, [roomId, keyNumber]);
  if (isOpen === false) {
    return (
      <KeyDialog
        isRefused={keyNumber > 0}
        hasFailed={hasFailed}
        onKey={async (key) => {
          const came = await signIn(key);
          setHasFailed(came === 'failed');
          if (came !== 'failed') setKeyNumber(keyNumber + 1);
        }}
        onClose={() => location.assign('/')}
      />
    );
  }
  if (isOpen === null) return null;
  if (name === '') return <NameForm onName={choose} />;
  return <There key={keyNumber} roomId={roomId} name={name} userId={userId} onRename={() => choose('')} />;
}

interface ThereProps {
  roomId: string;
  name: string;
  userId: string;
  onRename(): void;
}

function There({ roomId, name, userId, onRename }: ThereProps) {
  const words = useWords();
  const further = useFurtherWords();
  const invitation = useMemo(() => invitationOf() || undefined, []);
  const room = useRoom({ roomId, userId, name, invitation });
  const [client] = useState(() => new HeadraceClient());
  const limit = useLimit(client);
  const field = useRef<HTMLTextAreaElement>(null);
  const [dialog, setDialog] = useState<'share' | 'members' | null>(null);
  const me = room.members.find((member) => member.userId === room.userId);
  useEffect(() => {
    if (!isTouch()) field.current?.focus({ preventScroll: true });
  }, []);
  return (
    <LinkGuard>
      <a className="skip" href="#message">
        {words.skipToMessage}
      </a>
      <div className="page" data-sidebar="hidden">
        <div className="thread room">
          <header className="header">
            <IconButton label={further.toChats} onClick={() => location.assign('/')}>
              <PlusIcon />
            </IconButton>
            <h1 dir="auto">{further.room}</h1>
            <button
              type="button"
              className="button who"
              aria-label={further.peopleHere(room.members.length)}
              onClick={() => setDialog('members')}
            >
              <MembersIcon />
              <span className="wide">{further.peopleHere(room.members.length)}</span>
              <span className="narrow">{room.members.length}</span>
            </button>
            <IconButton label={further.shareRoom} onClick={() => setDialog('share')}>
              <ShareIcon />
            </IconButton>
            <ThemeButton />
          </header>
          <main>
            <LimitProvider value={limit}>
              <RoomThread room={room} />
              <div className="column">
                <Composer
                  field={field}
                  draftKey={`room ${roomId}`}
                  isStreaming={room.active !== null}
                  onSend={room.say}
                  onStop={room.stop}
                  onType={room.sendTyping}
                >
                  <span className="facts">{further.youAre(me?.name ?? name)}</span>
                </Composer>
              </div>
            </LimitProvider>
          </main>
        </div>
      </div>
      {dialog === 'share' && <ShareDialog room={room} roomId={roomId} onClose={() => setDialog(null)} />}
      {dialog === 'members' && (
        <MembersDialog
          room={room}
          isCreator={me?.role === 'creator'}
          onRename={onRename}
          onClose={() => setDialog(null)}
        />
      )}
    </LinkGuard>
  );
}
