import { type ReactNode, useCallback, useRef, useState } from 'react';
import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';
import { Leaving } from './leaving.ts';

/** Shows where a link really leads before it is followed, once for every site. */
export function LinkGuard({ children }: { children: ReactNode }) {
  const words = useWords();
  const known = useRef(new Set<string>());
  const [asked, setAsked] = useState<URL | null>(null);
  const leave = useCallback((address: URL) => {
    if (known.current.has(siteOf(address))) return true;
    setAsked(address);
    return false;
  }, []);
  const go = () => {
    if (!asked) return;
    known.current.add(siteOf(asked));
    window.open(asked.href, '_blank', 'noopener,noreferrer');
    setAsked(null);
  };
  return (
    <Leaving value={leave}>
      {children}
      {asked && (
        <Dialog title={words.leaveTitle} onClose={() => setAsked(null)}>
          <p>{words.leaveMeaning}</p>
          <p className="address" dir="ltr">
            {asked.href}
          </p>
          <footer>
            <button type="button" className="button" onClick={() => setAsked(null)}>
              {words.cancel}
            </button>
            <button type="button" className="button primary" onClick={go}>
              {words.leaveConfirm}
            </button>
          </footer>
        </Dialog>
      )}
    </Leaving>
  );
}

function siteOf(address: URL): string {
  return address.host || address.href;
}
