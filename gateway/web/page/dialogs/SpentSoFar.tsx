import type { Spent } from '../../client/index.js';
import { useWords } from '../words/words.ts';

/** What a conversation has used so far, and what that cost. */
export function SpentSoFar({ spent: { usage, cost } }: { spent: Spent }) {
  const words = useWords();
  const number = new Intl.NumberFormat(words.language);
  const money = new Intl.NumberFormat(words.language, { maximumSignificantDigits: 3 });
  return (
    <fieldset className="spent">
      <legend>{words.spent}</legend>
      <dl>
        <dt>{words.tokensRead}</dt>
        <dd>{number.format(usage.prompt_tokens)}</dd>
        <dt>{words.tokensWritten}</dt>
        <dd>{number.format(usage.completion_tokens)}</dd>
        {typeof cost === 'number' && (
          <>
            <dt>{words.cost}</dt>
            <dd>{money.format(cost)}</dd>
          </>
        )}
      </dl>
      {usage.estimated && <p className="note">{words.spentEstimated}</p>}
    </fieldset>
  );
}
