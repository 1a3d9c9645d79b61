import { useEffect, useState } from 'react';

/** What a pointer that rests on a button is shown by its browser, for who comes with the keyboard. */
export function Tooltip() {
  const [shown, setShown] = useState<{ text: string; style: { left: number; top: number } } | null>(null);
  useEffect(() => {
    const show = ({ target }: FocusEvent) => {
      const element = target instanceof HTMLElement && target.matches(':focus-visible') ? target : null;
      if (!element?.title) return setShown(null);
      const { left, width, top, bottom } = element.getBoundingClientRect();
      const isLow = bottom > innerHeight - 60;
      setShown({ text: element.title, style: { left: left + width / 2, top: isLow ? top - 38 : bottom + 6 } });
    };
    const hide = () => setShown(null);
    const onKey = ({ key }: KeyboardEvent) => key === 'Escape' && hide();
    document.addEventListener('focusin', show);
    document.addEventListener('focusout', hide);
    document.addEventListener('scroll', hide, true);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('focusin', show);
      document.removeEventListener('focusout', hide);
      document.removeEventListener('scroll', hide, true);
      document.removeEventListener('keydown', onKey);
    };
  }, []);
  // It repeats the name that the button has for everybody else.
  return (
    shown && (
      <div className="tooltip" aria-hidden="true" style={shown.style}>
        {shown.text}
      </div>
    )
  );
}
