/** Keeps a scrolled view at its end while it grows, until its reader scrolls up; at the end it holds again. */
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

export interface StickToEnd {
  isAtEnd: boolean;
  toEnd(): void;
  /** The view stays where it is put. */
  letGo(): void;
}

/** Nearer than this is at the end: a line of text. */
const NEAR_PX = 24;
/** So long after a reader has begun to scroll up, what moves the view down is what moved it before. */
const SETTLING_MS = 250;

export function useStickToEnd(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
): StickToEnd {
  const isHeld = useRef(true);
  const [isAtEnd, setAtEnd] = useState(true);
  const hold = useCallback((held: boolean) => {
    isHeld.current = held;
    setAtEnd(held);
  }, []);

  const toEnd = useCallback(() => {
    hold(true);
    const view = scroller.current;
    if (view) view.scrollTop = view.scrollHeight;
  }, [hold, scroller]);

  useEffect(() => {
    const view = scroller.current;
    const inner = content.current;
    if (!view || !inner) return;
    const standing = () => ({ top: view.scrollTop, height: view.scrollHeight, room: view.clientHeight });
    let last = standing();
    let touchY = 0;
    let letGoAt = Number.NEGATIVE_INFINITY;
    const distance = () => view.scrollHeight - view.clientHeight - view.scrollTop;
    const onScroll = () => {
      const now = standing();
      // What has shrunk moves the view up too, and nobody meant it.
      const isUp = now.top <= last.top - 1 && distance() >= 1;
      const isBack = now.top >= last.top + 1 && distance() <= NEAR_PX && performance.now() > letGoAt + SETTLING_MS;
      if (isUp && now.height >= last.height && now.room === last.room) hold(false);
      else if (isBack) hold(true);
      last = now;
    };
    // Ahead of the scroll event: the next frame of text would pull the view down again before it.
    const letGo = () => {
      if (view.scrollHeight <= view.clientHeight) return;
      letGoAt = performance.now();
      hold(false);
    };
    const onWheel = ({ deltaY }: WheelEvent) => deltaY < 0 && letGo();
    const onKeyDown = ({ key, shiftKey, target }: KeyboardEvent) => {
      const isUp = key === 'ArrowUp' || key === 'PageUp' || (key === ' ' && shiftKey);
      if (isUp && target === view) letGo();
    };
    const onTouchStart = ({ touches }: TouchEvent) => {
      touchY = touches[0]?.clientY ?? 0;
    };
    const onTouchMove = ({ touches }: TouchEvent) => {
      if ((touches[0]?.clientY ?? 0) > touchY + 4) letGo();
    };
    const follow = () => {
      if (view.scrollHeight <= view.clientHeight) hold(true);
      if (!isHeld.current) return;
      if (distance() > 0) view.scrollTop = view.scrollHeight;
      // The scroll event of this, or of what has shrunk, is not the reader's.
      last = standing();
    };
    const observer = new ResizeObserver(follow);
    observer.observe(inner);
    observer.observe(view);
    const passive = { passive: true };
    view.addEventListener('scroll', onScroll, passive);
    view.addEventListener('wheel', onWheel, passive);
    view.addEventListener('keydown', onKeyDown, passive);
    view.addEventListener('touchstart', onTouchStart, passive);
    view.addEventListener('touchmove', onTouchMove, passive);
    return () => {
      observer.disconnect();
      view.removeEventListener('scroll', onScroll);
      view.removeEventListener('wheel', onWheel);
      view.removeEventListener('keydown', onKeyDown);
      view.removeEventListener('touchstart', onTouchStart);
      view.removeEventListener('touchmove', onTouchMove);
    };
  }, [scroller, content, hold]);

  const letGo = useCallback(() => hold(false), [hold]);
  return { isAtEnd, toEnd, letGo };
}
