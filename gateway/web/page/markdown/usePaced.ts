import { useEffect, useRef, useState } from 'react';

/** Characters of an open block that are parsed well within a frame. */
const EASY_LENGTH = 3000;
const LONGEST_PAUSE_MS = 250;

/** *text*, handed on less often the longer the part that must be parsed anew each time. */
export function usePaced(text: string, isLive: boolean, openLength: number): string {
  const [shown, setShown] = useState(text);
  const latest = useRef(text);
  latest.current = text;
  const pause = isLive && openLength > EASY_LENGTH ? Math.min(openLength / 100, LONGEST_PAUSE_MS) : 0;
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    if (!pause || timer.current || shown === text) return;
    timer.current = setTimeout(() => {
      timer.current = null;
      setShown(latest.current);
    }, pause);
  }, [pause, shown, text]);
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
  return pause ? shown : text;
}
