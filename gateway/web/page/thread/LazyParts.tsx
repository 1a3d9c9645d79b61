import { type ComponentProps, lazy, Suspense } from 'react';
import type { Parts as Loaded } from './Parts.tsx';

const Later = lazy(async () => ({ default: (await import('./Parts.tsx')).Parts }));

/** Pictures and files of a message; most have none. */
export function Parts(props: ComponentProps<typeof Loaded>) {
  return (
    <Suspense>
      <Later {...props} />
    </Suspense>
  );
}
