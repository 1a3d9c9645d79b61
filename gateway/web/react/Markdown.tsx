import type { ReactNode } from 'react';
import { LinkGuard } from '../page/dialogs/LinkGuard.js';
import { Text } from '../page/markdown/Text.js';

export interface MarkdownProps {
  text: string;
  /** More of it is coming. */
  isLive?: boolean | undefined;
}

/** A reply's text as the chat page draws it: code, tables, formulas; inert, whatever it says. */
export function Markdown({ text, isLive = false }: MarkdownProps): ReactNode {
  return (
    <div className="headrace">
      <LinkGuard>
        <div className={isLive ? 'text live' : 'text'}>
          <Text text={text} isLive={isLive} />
        </div>
      </LinkGuard>
    </div>
  );
}
