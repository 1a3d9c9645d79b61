import { type FormEvent, useState } from 'react';
import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';

interface KeyDialogProps {
  isRefused: boolean;
  onKey(key: string): void;
  onClose(): void;
}

/** Asks for an API key, which is handed on and kept nowhere. */
export function KeyDialog({ isRefused, onKey, onClose }: KeyDialogProps) {
  const words = useWords();
  const [key, setKey] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim()) onKey(key.trim());
  };
  return (
    <Dialog title={words.keyTitle} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{words.keyMeaning}</p>
        {isRefused && (
          <p className="refused" role="alert">
            {words.keyRefused}
          </p>
        )}
        <label className="field">
          <span>{words.keyLabel}</span>
          <input
            type="password"
            value={key}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {words.cancel}
          </button>
          <button type="submit" className="button primary" disabled={!key.trim()}>
            {words.keyConfirm}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
