/** The elements of a reply's markdown that are more than their own tag. */
import { isValidElement, type ReactNode, useRef } from 'react';
import { type Components, extractTableDataFromElement, tableDataToTSV, useIsCodeFenceIncomplete } from 'streamdown';
import { CopyButton } from '../app/CopyButton.tsx';
import { useWords } from '../words/words.ts';
import { Fence } from './Fence.tsx';
import { Link } from './Link.tsx';
import { Picture } from './Picture.tsx';
import { Body, HeaderCell, SortingProvider } from './SortableTable.tsx';
import { textOf } from './textOf.ts';

interface ElementProps {
  node?: unknown;
  children?: ReactNode;
  dir?: string;
}

interface CodeProps {
  className?: string;
  metastring?: string;
  children?: ReactNode;
}

function Preformatted({ children, ...props }: ElementProps & { 'data-caret'?: string }) {
  const isLive = useIsCodeFenceIncomplete();
  const hasCaret = props['data-caret'] !== undefined;
  if (!isValidElement<CodeProps>(children)) return <pre>{children}</pre>;
  const { className = '', metastring } = children.props;
  const language = /language-(\S+)/.exec(className)?.[1] ?? '';
  return (
    <Fence
      code={textOf(children).replace(/\n$/, '')}
      language={language}
      info={metastring}
      isLive={isLive}
      hasCaret={hasCaret}
    />
  );
}

function Table({ children, dir }: ElementProps) {
  const words = useWords();
  const table = useRef<HTMLTableElement>(null);
  return (
    <div className="table">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll what is too wide */}
      <div className="scroll" tabIndex={0}>
        <table ref={table} dir={dir}>
          <SortingProvider>{children}</SortingProvider>
        </table>
      </div>
      <CopyButton
        text={() => (table.current ? tableDataToTSV(extractTableDataFromElement(table.current)) : '')}
        label={words.copyTable}
      />
    </div>
  );
}

type Tag = 'p' | 'ul' | 'ol' | 'li' | 'blockquote' | 'hr' | 'strong';

/** As in HTML, without the classes that would need another style sheet. */
function plain(tag: Tag | 'thead' | 'tr' | 'td' | 'sup' | 'sub' | 'section' | 'code') {
  const Tag = tag;
  return function Plain({ node: _node, className, ...props }: ElementProps & { className?: string }) {
    const kept = className && KEPT_CLASS.test(className) ? className : undefined;
    return <Tag {...props} className={kept} />;
  };
}

const KEPT_CLASS = /^(?:contains-task-list|task-list-item|footnotes|language-|math)/;

/**
 * All are of one level below the message's own heading, however they look: a model's levels begin anywhere
 * and leave some out, which a screen reader's list of headings must not.
 */
function heading(level: 1 | 2 | 3 | 4 | 5 | 6) {
  return function Heading({ children, dir }: ElementProps) {
    return (
      <h3 className={`level-${level}`} dir={dir}>
        {children}
      </h3>
    );
  };
}

/** The box of a task in a list; HTML allows a reply no other input. */
function Checkbox({ checked }: { node?: unknown; checked?: boolean }) {
  const words = useWords();
  return <input type="checkbox" checked={checked === true} disabled aria-label={checked ? words.done : words.open} />;
}

export const elements: Components = {
  a: Link,
  img: Picture,
  // It would be fetched in place of the picture that the reader asked for.
  source: () => null,
  pre: Preformatted,
  input: Checkbox,
  table: Table,
  code: plain('code'),
  p: plain('p'),
  h1: heading(1),
  h2: heading(2),
  h3: heading(3),
  h4: heading(4),
  h5: heading(5),
  h6: heading(6),
  ul: plain('ul'),
  ol: plain('ol'),
  li: plain('li'),
  blockquote: plain('blockquote'),
  hr: plain('hr'),
  strong: plain('strong'),
  thead: plain('thead'),
  tbody: Body,
  tr: plain('tr'),
  th: HeaderCell,
  td: plain('td'),
  sup: plain('sup'),
  sub: plain('sub'),
  section: plain('section'),
};

/** Within a paragraph that is already open. */
export const elementsOfPiece: Components = { ...elements, p: ({ children }) => <>{children}</> };
