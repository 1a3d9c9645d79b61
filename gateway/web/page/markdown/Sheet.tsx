/** A part of a very long reply: in the page only while it is near the view, elsewhere its height stands in. */
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { usePrinting } from '../app/printing.ts';

/** So far off the view, text is drawn ahead of the reader. */
const NEAR = '1500px 0px';

interface SheetProps {
  className: string;
  /** What may still change stays. */
  isSettled: boolean;
  children: ReactNode;
}

export function Sheet({ className, isSettled, children }: SheetProps) {
  const box = useRef<HTMLDivElement>(null);
  const [measured, setHeight] = useState<number | null>(null);
  const height = usePrinting() ? null : measured;
  useEffect(() => {
    const element = box.current;
    if (!isSettled || !element) return;
    const observer = new IntersectionObserver(
      (entries) => {
        const seen = entries.at(-1);
        if (seen) setHeight(seen.isIntersecting ? null : (known) => known ?? seen.boundingClientRect.height);
      },
      { root: element.closest('.scroll-view'), rootMargin: NEAR },
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      setHeight(null);
    };
  }, [isSettled]);
  return (
    <div className={className} ref={box} style={height === null ? undefined : { height }}>
      {height === null && children}
    </div>
  );
}
