import { type ReactNode, useEffect, useState } from 'react';
import { IconButton } from '../app/IconButton.tsx';
import { CodeIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { type Drawn, draw } from './diagrams.ts';

interface DiagramProps {
  source: string;
  /** The source as code, for who wants it and where it cannot be drawn. */
  children: ReactNode;
}

/** A diagram as a picture; its source is one click away. */
export default function Diagram({ source, children }: DiagramProps) {
  const words = useWords();
  const isDark = useDark();
  const [drawn, setDrawn] = useState<Drawn | 'failed' | null>(null);
  const [hasSource, setSource] = useState(false);
  useEffect(() => {
    let isWanted = true;
    draw(source, isDark).then(
      (made) => isWanted && setDrawn(made),
      () => isWanted && setDrawn('failed'),
    );
    return () => {
      isWanted = false;
    };
  }, [source, isDark]);
  if (drawn === null || drawn === 'failed') {
    return (
      <>
        {children}
        {drawn === 'failed' && <p className="note">{words.diagramFailed}</p>}
      </>
    );
  }
  return (
    <>
      <figure className="diagram">
        <figcaption>
          <IconButton label={words.diagramSource} aria-expanded={hasSource} onClick={() => setSource(!hasSource)}>
            <CodeIcon />
          </IconButton>
        </figcaption>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll what is too wide */}
        <div className="scroll" tabIndex={0}>
          <img
            className="diagram-picture"
            src={drawn.address}
            alt={words.diagram}
            width={drawn.width}
            height={drawn.height}
          />
        </div>
      </figure>
      {hasSource && children}
    </>
  );
}

function useDark(): boolean {
  const query = '(prefers-color-scheme: dark)';
  const look = () => {
    const { theme } = document.documentElement.dataset;
    return theme === 'dark' || (theme !== 'light' && matchMedia(query).matches);
  };
  const [isDark, setDark] = useState(look);
  useEffect(() => {
    const change = () => setDark(look());
    const media = matchMedia(query);
    const observer = new MutationObserver(change);
    media.addEventListener('change', change);
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      media.removeEventListener('change', change);
      observer.disconnect();
    };
  });
  return isDark;
}
