import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useFurtherWords } from '../words/further.ts';

/** Asks by which name one wants to be called; it is kept for the next time. */
export function NameForm({ onName }: { onName(name: string): void }) {
  const further = useFurtherWords();
  const [name, setName] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const chosen = name.replace(/\s+/g, ' ').trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (chosen) onName(chosen);
  };
  return (
    <main className="room-door">
      <form onSubmit={submit}>
        <h1>{further.joinRoom}</h1>
        <p>{further.nameMeaning}</p>
        <label className="field">
          <span>{further.yourName}</span>
          <input
            ref={field}
            value={name}
            maxLength={60}
            autoComplete="nickname"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <footer>
          <button type="submit" className="button primary" disabled={!chosen}>
            {further.join}
          </button>
        </footer>
      </form>
    </main>
  );
}
