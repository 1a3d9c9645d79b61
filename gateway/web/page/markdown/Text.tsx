import { lazy, Suspense } from 'react';

// Asked for at once, but not waited for: the page is there before the parser is.
const loading = import('./Markdown.tsx');
const Markdown = lazy(async () => ({ default: (await loading).Markdown }));

interface TextProps {
  text: string;
  isLive: boolean;
}

/** A reply's text; as it was written until it can be drawn as markdown. */
export function Text({ text, isLive }: TextProps) {
  return (
    <Suspense fallback={<div className="unparsed">{text}</div>}>
      <Markdown text={text} isLive={isLive} />
    </Suspense>
  );
}
