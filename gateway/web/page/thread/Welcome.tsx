import { BrandIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

/** What a conversation without messages shows. */
export function Welcome({ onChoose }: { onChoose(text: string): void }) {
  const words = useWords();
  return (
    <div className="welcome">
      <BrandIcon />
      <h2>{words.welcome}</h2>
      <p>{words.welcomeNote}</p>
      <ul>
        {words.suggestions.map((suggestion) => (
          <li key={suggestion}>
            <button type="button" onClick={() => onChoose(suggestion)}>
              {suggestion}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
