import { Component, lazy, type ReactNode, Suspense } from 'react';

// Asked for at once, but not waited for: the page is there before the parser is.
const loading = import('./Markdown.tsx');
const Markdown = lazy(async () => ({ default: (await loading).Markdown }));

interface TextProps {
  text: string;
  isLive: boolean;
}

/** A reply's text; as it was written until, or where, it cannot be drawn as markdown. */
export function Text({ text, isLive }: TextProps) {
  const unparsed = <div className="unparsed">{text}</div>;
  return (
    <Fallback to={unparsed}>
      <Suspense fallback={unparsed}>
        <Markdown text={text} isLive={isLive} />
      </Suspense>
    </Fallback>
  );
}

class Fallback extends Component<{ to: ReactNode; children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    return this.state.isBroken ? this.props.to : this.props.children;
  }
}
