import type { Place } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { BackIcon, ChevronIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

interface BranchesProps {
  place: Place;
  /** Whether the conversation can be changed now. */
  canAct: boolean;
  onShow(generationId: string): void;
}

/** Goes between turns that stand in the same place. */
export function Branches({ place, canAct, onShow }: BranchesProps) {
  const words = useWords();
  const { at, generationIds } = place;
  const button = (label: string, target: string | undefined, icon: React.ReactNode) => (
    <IconButton
      label={label}
      // Kept where it is: a button that is disabled under the finger loses the focus.
      aria-disabled={!canAct || target === undefined}
      onClick={() => canAct && target !== undefined && onShow(target)}
    >
      {icon}
    </IconButton>
  );
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    <span className="branches" role="group" aria-label={words.branches}>
      {button(words.previousBranch, generationIds[at - 1], <BackIcon />)}
      <span className="facts">{words.branchOf(at + 1, generationIds.length)}</span>
      {button(words.nextBranch, generationIds[at + 1], <ChevronIcon />)}
    </span>
  );
}
