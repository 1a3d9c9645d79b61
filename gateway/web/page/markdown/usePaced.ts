import { useEffect, useRef, useState } from 'react';

/** Characters of an open block that are parsed well within a frame. */
const EASY_LENGTH = 3000;
/** In a reply longer than this nobody follows every word; thirty times a second is as smooth to the eye. */
const LONG_LENGTH = 4000;
const EVERY_OTHER_FRAME_MS = 30;
const LONGEST_PAUSE_MS = 250;

/** *text*, handed on less often the longer it is, and the longer the part that must be parsed anew each time. */
export function usePaced(text: string, isLive: boolean, openLength: number): string {
  const shown = useRef(text);
  const latest = useRef(text);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const [, drawAgain] = useState(0);
  const pauseMs = isLive ? pauseFor(text.length, openLength) : 0;
  latest.current = text;
  // What has begun anew is not waited for either.
  if (!pauseMs || !text.startsWith(shown.current)) shown.current = text;
  useEffect(() => {
    if (!pauseMs || timer.current || shown.current === text) return;
    timer.current = setTimeout(() => {
      timer.current = null;
      shown.current = latest.current;
      drawAgain((count) => count + 1);
    }, pauseMs);
  }, [pauseMs, text]);
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
  return shown.current;
}

function pauseFor(length: number, openLength: number): number {
  if (openLength > EASY_LENGTH) return Math.min(openLength / 100, LONGEST_PAUSE_MS);
  return length > LONG_LENGTH ? EVERY_OTHER_FRAME_MS : 0;
}
