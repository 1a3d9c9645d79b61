import { useEffect, useState } from 'react';
import { type Session, signOut, whoIsThere } from '../app/session.ts';
import { useWords } from '../words/words.ts';

/** Who is signed in at this browser, and the way out; nothing where nobody is. */
export function SignedIn() {
  const words = useWords();
  const [session, setSession] = useState<Session | null>(null);
  useEffect(() => {
    void whoIsThere().then(setSession);
  }, []);
  if (!session?.signed_in) return null;
  return (
    <footer>
      <span>{words.signedIn(session.user || session.tenant || '')}</span>
      <button type="button" className="button" onClick={() => void signOut()}>
        {words.signOut}
      </button>
    </footer>
  );
}
