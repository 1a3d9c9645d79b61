import { useEffect, useRef, useState } from 'react';
import { EvenFlow } from './evenFlow.ts';

const calm = globalThis.matchMedia?.('(prefers-reduced-motion: reduce)');

/** *text* at an even pace while it arrives in bursts; all of it where nobody sees or wants it move, and once it has ended. */
export function useEven(text: string, isLive: boolean): string {
  const flow = useRef<EvenFlow | null>(null);
  flow.current ??= new EvenFlow(text.length);
  const before = useRef(text);
  const [, drawAgain] = useState(0);
  const isEven = isLive && !calm?.matches && document.visibilityState === 'visible';
  // What has begun anew is not waited for either.
  if (!isEven || !text.startsWith(before.current)) flow.current.skip(text.length);
  else flow.current.take(text.length, performance.now());
  before.current = text;
  const isWhole = flow.current.isWhole;
  useEffect(() => {
    if (isWhole) return;
    const frame = requestAnimationFrame(() => drawAgain((count) => count + 1));
    return () => cancelAnimationFrame(frame);
  });
  useEffect(() => {
    // A hidden page has no frames: it is all there when it is seen again.
    const onHidden = () => drawAgain((count) => count + 1);
    document.addEventListener('visibilitychange', onHidden);
    return () => document.removeEventListener('visibilitychange', onHidden);
  }, []);
  const end = isWhole ? text.length : Math.floor(flow.current.at(performance.now()));
  // Half a character is none.
  return isHigh(text.charCodeAt(end - 1)) ? text.slice(0, end - 1) : text.slice(0, end);
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
