/** One block of markdown. Drawn again only when its own text changes. */
import { memo, useMemo } from 'react';
import { Streamdown } from 'streamdown';
import { elements, elementsOfPiece } from './elements.tsx';
import { Extension, useExtension } from './extension.ts';
import { mightHoldFormulas } from './formulas.ts';
import { liveRehypePlugins, rehypePlugins, remarkPlugins } from './plugins.ts';
import { Sheet } from './Sheet.tsx';

const mathematics = new Extension(async () => (await import('./mathematics.ts')).default);
const eastAsian = new Extension(async () => (await import('./east_asian.ts')).default);

const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const asOneBlock = (markdown: string) => [markdown];

/**
 * Pieces whose lines are broken together: some thousand words. A browser breaks all lines of a paragraph again
 * for every word that is added to it.
 */
const STRETCH = 4;

interface ProseProps {
  pieces: readonly string[];
  isLive: boolean;
}

export const Prose = memo(
  function Prose({ pieces, isLive }: ProseProps) {
    const [only = ''] = pieces;
    if (pieces.length === 1) return <Piece text={only} isLive={isLive} />;
    const starts = Array.from({ length: Math.ceil(pieces.length / STRETCH) }, (_, index) => index * STRETCH);
    return (
      // biome-ignore lint/a11y/useSemanticElements: a `p` may not hold the elements that the pieces come in
      <div className="paragraph" role="paragraph" dir="auto">
        {starts.map((start) => (
          <Sheet className="stretch" isSettled={!isLive || start + 2 * STRETCH < pieces.length} key={start}>
            {pieces.slice(start, start + STRETCH).map((piece, index) => (
              <Piece
                // biome-ignore lint/suspicious/noArrayIndexKey: pieces are only ever added at the end
                key={index}
                text={piece}
                isLive={isLive && start + index === pieces.length - 1}
                isPart
              />
            ))}
          </Sheet>
        ))}
      </div>
    );
  },
  (before, after) =>
    before.isLive === after.isLive &&
    before.pieces.length === after.pieces.length &&
    before.pieces.every((piece, index) => piece === after.pieces[index]),
);

interface PieceProps {
  text: string;
  isLive: boolean;
  isPart?: boolean;
}

const Piece = memo(function Piece({ text, isLive, isPart = false }: PieceProps) {
  const math = useExtension(mathematics, mightHoldFormulas(text));
  const cjk = useExtension(eastAsian, EAST_ASIAN.test(text));
  const plugins = useMemo(() => ({ ...(math && { math }), ...(cjk && { cjk }) }), [math, cjk]);
  return (
    <>
      <Streamdown
        className={isPart ? 'piece' : 'block'}
        components={isPart ? elementsOfPiece : elements}
        controls={false}
        isAnimating={isLive}
        linkSafety={NO_MODAL}
        parseIncompleteMarkdown={isLive}
        parseMarkdownIntoBlocksFn={asOneBlock}
        plugins={plugins}
        rehypePlugins={isLive ? liveRehypePlugins : rehypePlugins}
        remarkPlugins={remarkPlugins}
        remend={UNFINISHED_LINK.test(text) ? COMPLETED : COMPLETED_BUT_LINKS}
      >
        {text}
      </Streamdown>
      {isPart && ' '}
    </>
  );
});

/**
 * What of unfinished markdown is completed while it arrives: emphasis and code. A `<`, a `[` or a `$` may be the last
 * letter for long, and is shown.
 */
const COMPLETED = { comparisonOperators: false, htmlTags: false, katex: false, singleTilde: false };
const COMPLETED_BUT_LINKS = { ...COMPLETED, images: false, links: false };
/** Its address is on its way. */
const UNFINISHED_LINK = /\]\([^)\s]*$/;

/** Ours is in `Link`. */
const NO_MODAL = { enabled: false };
