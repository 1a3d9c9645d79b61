import { type ComponentProps, createContext, lazy, Suspense } from 'react';
import type { Parts as Loaded } from './Parts.tsx';

/** Where the bytes of pictures and files come from. */
export const Source = createContext<((blob: string) => Promise<Blob>) | null>(null);
export const PartSource = Source.Provider;

const Later = lazy(async () => ({ default: (await import('./Parts.tsx')).Parts }));

/** Pictures and files of a message; most have none. */
export function Parts(props: ComponentProps<typeof Loaded>) {
  return (
    <Suspense>
      <Later {...props} />
    </Suspense>
  );
}
