import { type ComponentProps, Suspense } from 'react';
import { later } from '../app/later.tsx';
import type { Parts as Loaded } from './Parts.tsx';

const Later = later(async () => (await import('./Parts.tsx')).Parts);

/** Pictures and files of a message; most have none. */
export function Parts(props: ComponentProps<typeof Loaded>) {
  return (
    <Suspense>
      <Later {...props} />
    </Suspense>
  );
}
