import { type ReactNode, Suspense, useCallback, useRef, useState } from 'react';
import { later } from '../app/later.tsx';
import { Leaving } from './leaving.ts';

const LeaveDialog = later(async () => (await import('./LeaveDialog.tsx')).LeaveDialog);

/** Shows where a link really leads before it is followed, once for every site. */
export function LinkGuard({ children }: { children: ReactNode }) {
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
      <Suspense>{asked && <LeaveDialog address={asked.href} onGo={go} onClose={() => setAsked(null)} />}</Suspense>
    </Leaving>
  );
}

function siteOf(address: URL): string {
  return address.host || address.href;
}
