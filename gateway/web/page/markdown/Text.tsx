import { Component, type ComponentType, type ReactNode, useEffect, useState } from 'react';

interface TextProps {
  text: string;
  isLive: boolean;
}

let Markdown: ComponentType<TextProps> | null = null;
let loading: Promise<void> | null = null;

// Asked for at once, but not waited for: the page is there before the parser is.
void load();

/** Have the parser, or be as before where it does not come. */
function load(): Promise<void> {
  loading ??= import('./Markdown.tsx').then(
    (module) => {
      Markdown = module.Markdown;
    },
    () => {
      loading = null;
    },
  );
  return loading;
}

/** A reply's text; as it was written until, or where, it cannot be drawn as markdown. */
export function Text({ text, isLive }: TextProps) {
  const Parsed = useMarkdown();
  const unparsed = <div className="unparsed">{text}</div>;
  if (!Parsed) return unparsed;
  return (
    <Fallback to={unparsed}>
      <Parsed text={text} isLive={isLive} />
    </Fallback>
  );
}

/** The parser once it is there; asked for again when the network is back. */
function useMarkdown(): ComponentType<TextProps> | null {
  const [Parsed, setParsed] = useState(() => Markdown);
  useEffect(() => {
    if (Parsed) return;
    let isMounted = true;
    const ask = () => void load().then(() => isMounted && setParsed(() => Markdown));
    ask();
    addEventListener('online', ask);
    return () => {
      isMounted = false;
      removeEventListener('online', ask);
    };
  }, [Parsed]);
  return Parsed;
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
