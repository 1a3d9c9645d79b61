import { useEffect, useState } from 'react';
import { type Session, signOut, whoIsThere } from '../app/session.ts';
import { useFurtherWords } from '../words/further.ts';

/** Who is signed in at this browser, and the way out; nothing where nobody is. */
export function SignedIn() {
  const further = useFurtherWords();
  const [session, setSession] = useState<Session | null>(null);
  const [isStillIn, setStillIn] = useState(false);
  useEffect(() => {
    void whoIsThere().then(setSession);
  }, []);
  if (!session?.signed_in) return null;
  return (
    <footer>
      <span>{further.signedIn(session.user || session.tenant || '')}</span>
      {isStillIn && (
        <span className="refused" role="alert">
          {further.signOutFailed}
        </span>
      )}
      <button type="button" className="button" onClick={async () => setStillIn(!(await signOut()))}>
        {further.signOut}
      </button>
    </footer>
  );
}
