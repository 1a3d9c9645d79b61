/** Code with its language, a button that copies it, and colours once the highlighter is there. */
import { memo, useEffect, useState } from 'react';
import type { HighlightResult, HighlightToken } from 'streamdown';
import { CopyButton } from '../app/CopyButton.tsx';
import { save } from '../app/files.ts';
import { IconButton } from '../app/IconButton.tsx';
import { DownloadIcon, WrapIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { Extension, useExtension } from './extension.ts';
import { fileName } from './fileNames.ts';
import { KeptSelection } from './KeptSelection.tsx';

const highlighters = new Extension(async () => (await import('./highlighter.ts')).highlighter);
/** Lines that share an element, so that a frame compares tens of things and not thousands. */
const LINES_PER_SECTION = 40;

interface CodeBlockProps {
  code: string;
  language: string;
  /** What else stands in the line that opens the fence. */
  info?: string | undefined;
  /** Whether it is still being written. */
  isLive: boolean;
  hasCaret: boolean;
}

export const CodeBlock = memo(function CodeBlock({ code, language, info = '', isLive, hasCaret }: CodeBlockProps) {
  const words = useWords();
  const shown = code.replaceAll(/\r\n?/g, '\n');
  const lines = shown.split('\n');
  const [isWrapped, setWrapped] = useState(false);
  const coloured = useHighlighted(shown, language, isLive);
  const starts = Array.from({ length: Math.ceil(lines.length / LINES_PER_SECTION) }, (_, i) => i * LINES_PER_SECTION);
  return (
    <KeptSelection>
      <figure className="code" dir="ltr">
        <figcaption>
          <span>{`${language} ${info}`.trim() || words.plainText}</span>
          <IconButton label={words.wrapLines} aria-pressed={isWrapped} onClick={() => setWrapped(!isWrapped)}>
            <WrapIcon />
          </IconButton>
          {!isLive && (
            <IconButton label={words.downloadCode} onClick={() => save(fileName(language), code)}>
              <DownloadIcon />
            </IconButton>
          )}
          <CopyButton text={code} label={words.copyCode} />
        </figcaption>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll what is too wide */}
        <pre tabIndex={0} data-wrapped={isWrapped || undefined}>
          <code>
            {starts.map((start) => (
              <Section
                key={start}
                lines={lines.slice(start, start + LINES_PER_SECTION)}
                rows={coloured?.tokens.slice(start, start + LINES_PER_SECTION) ?? NO_ROWS}
                hasCaret={hasCaret && start === starts.at(-1)}
              />
            ))}
          </code>
        </pre>
      </figure>
    </KeptSelection>
  );
});

type Rows = readonly (readonly HighlightToken[])[];
const NO_ROWS: Rows = [];

interface SectionProps {
  lines: readonly string[];
  rows: Rows;
  /** Whether the caret is at its end. */
  hasCaret: boolean;
}

const Section = memo(
  function Section({ lines, rows, hasCaret }: SectionProps) {
    return (
      <span className="lines">
        {lines.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines are only ever added at the end
          <Line key={index} line={line} row={rows[index]} hasCaret={hasCaret && index === lines.length - 1} />
        ))}
      </span>
    );
  },
  (before, after) =>
    before.hasCaret === after.hasCaret &&
    before.lines.length === after.lines.length &&
    before.lines.every((line, index) => line === after.lines[index]) &&
    before.rows.length === after.rows.length &&
    before.rows.every((row, index) => row === after.rows[index]),
);

interface LineProps {
  line: string;
  row: readonly HighlightToken[] | undefined;
  hasCaret: boolean;
}

const Line = memo(function Line({ line, row, hasCaret }: LineProps) {
  // While text arrives, the colours are a frame behind it.
  const isCurrent = row !== undefined && row.map((token) => token.content).join('') === line;
  const end = hasCaret && <span className="caret" />;
  if (!isCurrent)
    return (
      <span className="line">
        {line}
        {end}
        {'\n'}
      </span>
    );
  return (
    <span className="line">
      {row.map((token, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line's tokens have no names
        <span key={index} style={colours(token)}>
          {token.content}
        </span>
      ))}
      {end}
      {'\n'}
    </span>
  );
});

function colours({ color, htmlStyle }: HighlightToken): Record<string, string> {
  return { '--light': htmlStyle?.color ?? color ?? 'inherit', '--dark': htmlStyle?.['--shiki-dark'] ?? 'inherit' };
}

function useHighlighted(code: string, language: string, isLive: boolean): HighlightResult | null {
  const highlighter = useExtension(highlighters, language !== '');
  const [result, setResult] = useState<HighlightResult | null>(null);
  useEffect(() => {
    if (!highlighter?.supportsLanguage(language)) return;
    let isWanted = true;
    const options = { code, language, themes: highlighter.getThemes(), isIncomplete: isLive };
    const known = highlighter.highlight(options, (next) => isWanted && setResult(next));
    if (known) setResult(known);
    return () => {
      isWanted = false;
    };
  }, [highlighter, code, language, isLive]);
  return result;
}
