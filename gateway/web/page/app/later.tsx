import { type ComponentType, lazy, type ReactNode } from 'react';
import { useWords } from '../words/words.ts';

/**
 * A component that is fetched when it is first wanted. One that does not come, for the network is away or the server has
 * been built anew, says so in its place: the rest of the page goes on.
 */
export function later<P extends object>(load: () => Promise<ComponentType<P>>) {
  return lazy(async () => ({ default: await load().catch((): ComponentType<P> => Missing) }));
}

function Missing({ children }: { children?: ReactNode }) {
  const words = useWords();
  return (
    <>
      {children}
      <p className="missing-part" role="alert">
        {words.partNotLoaded}
      </p>
    </>
  );
}
