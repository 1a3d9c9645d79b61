import { useWords } from '../words/words.ts';
import type { Excess } from './limit.ts';

/** Says by how much a text is too long, before it is sent. */
export function TooLong({ excess, id }: { excess: Excess | null; id: string }) {
  const words = useWords();
  return (
    <div role="status" id={id}>
      {excess && <p className="too-long">{words.tooLong(excess.count, excess.limit)}</p>}
    </div>
  );
}
