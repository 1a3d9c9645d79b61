import type { Spent } from '../../client/index.js';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';

/** What a conversation has used so far, and what that cost. */
export function SpentSoFar({ spent: { usage, cost } }: { spent: Spent }) {
  const words = useWords();
  const further = useFurtherWords();
  const number = new Intl.NumberFormat(words.language);
  const money = new Intl.NumberFormat(words.language, { maximumSignificantDigits: 3 });
  return (
    <fieldset className="spent">
      <legend>{further.spent}</legend>
      <dl>
        <dt>{further.tokensRead}</dt>
        <dd>{number.format(usage.prompt_tokens)}</dd>
        <dt>{further.tokensWritten}</dt>
        <dd>{number.format(usage.completion_tokens)}</dd>
        {typeof cost === 'number' && (
          <>
            <dt>{further.cost}</dt>
            <dd>{money.format(cost)}</dd>
          </>
        )}
      </dl>
      {usage.estimated && <p className="note">{further.spentEstimated}</p>}
    </fieldset>
  );
}
