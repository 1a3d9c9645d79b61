import { flushSync } from 'react-dom';
import { createRoot, type Root } from 'react-dom/client';
import { afterAll } from 'vitest';

/** A place to draw in. What React still had to do is done before the file's window is gone. */
export function mount(): { place: HTMLElement; root: Root } {
  const place = document.createElement('div');
  const root = createRoot(place);
  afterAll(async () => {
    flushSync(() => root.unmount());
    await new Promise((done) => setTimeout(done, 20));
  });
  return { place, root };
}
