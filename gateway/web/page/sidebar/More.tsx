import { useEffect, useRef } from 'react';
import { useWords } from '../words/words.ts';

interface MoreProps {
  /** How many are shown: after a page more, it is asked again whether there is room for another. */
  shown: number;
  onMore(): void;
}

/** The end of what is shown of a list: brings more of it as it comes into view, or when pressed. */
export function More({ shown, onMore }: MoreProps) {
  const words = useWords();
  const button = useRef<HTMLButtonElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new observer tells where the button stands now
  useEffect(() => {
    if (!button.current) return;
    const observer = new IntersectionObserver(([seen]) => seen?.isIntersecting && onMore(), { rootMargin: '400px' });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [shown, onMore]);
  return (
    <button ref={button} type="button" className="button more" onClick={onMore}>
      {words.showMore}
    </button>
  );
}
