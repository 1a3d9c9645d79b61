import type { MouseEvent, ReactNode } from 'react';
import { useLeaving } from '../dialogs/leaving.ts';
import { isItsOwnText, linkAddress } from './addresses.ts';
import { textOf } from './textOf.ts';

/** A link that a model wrote: to where it says, in a tab of its own that knows nothing of this one. */
export function Link({ href, children }: { node?: unknown; href?: string; children?: ReactNode }) {
  const leave = useLeaving();
  if (href?.startsWith('#user-content-')) return <a href={href}>{children}</a>;
  const address = linkAddress(href);
  if (!address) return <span className="dead-link">{children}</span>;
  const ask = (event: MouseEvent) => {
    if (isItsOwnText(textOf(children), address) || leave(address)) return;
    event.preventDefault();
  };
  return (
    <a
      href={address.href}
      title={address.href}
      target="_blank"
      rel="noopener noreferrer nofollow"
      onClick={ask}
      onAuxClick={ask}
    >
      {children}
    </a>
  );
}
