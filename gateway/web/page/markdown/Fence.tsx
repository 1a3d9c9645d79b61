/** What stands between fences: code, or where it can be drawn a diagram. */
import { type ComponentProps, Suspense, useContext } from 'react';
import { later } from '../app/later.tsx';
import { CodeBlock } from './CodeBlock.tsx';
import { Drawing } from './drawing.ts';

const Diagram = later(async () => (await import('./Diagram.tsx')).default);
/** Longer ones are shown as they are written. */
const MOST_CHARS = 20_000;

export function Fence(props: ComponentProps<typeof CodeBlock>) {
  const { code, language, isLive } = props;
  const isDrawn = useContext(Drawing) && language === 'mermaid' && !isLive && code.length <= MOST_CHARS;
  const source = <CodeBlock {...props} />;
  if (!isDrawn) return source;
  return (
    <Suspense fallback={source}>
      <Diagram source={code}>{source}</Diagram>
    </Suspense>
  );
}
