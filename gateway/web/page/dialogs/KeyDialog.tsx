import { type FormEvent, useEffect, useState } from 'react';
import { type Session, whoIsThere } from '../app/session.ts';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';

interface KeyDialogProps {
  isRefused: boolean;
  /** Whether the server could not be asked. */
  hasFailed: boolean;
  /** *remember*: whoever gave it stays signed in on this device. */
  onKey(key: string, remember: boolean): void;
  onClose(): void;
}

/** Asks for an API key, which is handed on and kept nowhere, or sends people to where they sign in. */
export function KeyDialog({ isRefused, hasFailed, onKey, onClose }: KeyDialogProps) {
  const words = useWords();
  const further = useFurtherWords();
  const [key, setKey] = useState('');
  const [remember, setRemember] = useState(false);
  const [session, setSession] = useState<Session | null>(null);
  useEffect(() => {
    void whoIsThere().then(setSession);
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim()) onKey(key.trim(), remember);
  };
  return (
    <Dialog title={further.keyTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{further.keyMeaning}</p>
        {(isRefused || hasFailed) && (
          <p className="refused" role="alert">
            {hasFailed ? further.keyFailed : further.keyRefused}
          </p>
        )}
        <label className="field">
          <span>{further.keyLabel}</span>
          <input
            type="password"
            value={key}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <label className="choice">
          <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.target.checked)} />
          <span>{further.keyRemember}</span>
        </label>
        <footer>
          {session?.issuer && (
            <a
              className="button"
              href={`${session.issuer}?remember=true&back=${encodeURIComponent(location.pathname)}`}
            >
              {further.signIn}
            </a>
          )}
          <button type="button" className="button" onClick={onClose}>
            {words.cancel}
          </button>
          <button type="submit" className="button primary" disabled={!key.trim()}>
            {further.keyConfirm}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
