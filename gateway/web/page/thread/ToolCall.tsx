import type { MadeCall } from '../../client/index.js';
import { useWords } from '../words/words.ts';
import { readable } from './json.ts';

interface ToolCallProps {
  call: MadeCall;
  /** Whether it is still being written. */
  isLive: boolean;
}

/** A tool that a reply calls, and what with. */
export function ToolCall({ call, isLive }: ToolCallProps) {
  const words = useWords();
  const given = readable(call.arguments);
  return (
    <section className="tool-call" aria-label={words.toolCall(call.name)}>
      <p>
        {words.toolCall(call.name)}
        {isLive && given === '' && <span className="caret" />}
      </p>
      {given !== '' && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll what is too wide
        <pre dir="ltr" tabIndex={0}>
          {given}
          {isLive && <span className="caret" />}
        </pre>
      )}
    </section>
  );
}
