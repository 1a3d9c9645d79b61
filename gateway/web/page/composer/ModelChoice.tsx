import type { Model } from '../../client/index.js';
import { useWords } from '../words/words.ts';

interface ModelChoiceProps {
  models: readonly Model[];
  chosen: string | undefined;
  onChoose(id: string | undefined): void;
}

/** Which model answers; nothing to choose where there is only one. */
export function ModelChoice({ models, chosen, onChoose }: ModelChoiceProps) {
  const words = useWords();
  if (models.length < 2) return null;
  return (
    <select
      className="model-choice"
      aria-label={words.model}
      value={chosen ?? ''}
      onChange={(event) => onChoose(event.target.value || undefined)}
    >
      <option value="">{words.modelDefault}</option>
      {models.map(({ id }) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </select>
  );
}
