/** A reply's text, drawn as it arrives. */
import { memo, useMemo, useState } from 'react';
import { type Block, BlockSplitter } from './blocks.ts';
import { Fence } from './Fence.tsx';
import { KeptSelection } from './KeptSelection.tsx';
import { Prose } from './Prose.tsx';
import { Sheet } from './Sheet.tsx';
import { sheetsOf } from './sheets.ts';
import { useEven } from './useEven.ts';
import { usePaced } from './usePaced.ts';

interface MarkdownProps {
  text: string;
  isLive: boolean;
}

export const Markdown = memo(function Markdown({ text, isLive }: MarkdownProps) {
  const [splitter] = useState(() => new BlockSplitter());
  const paced = usePaced(useEven(text, isLive), isLive, splitter.openLength);
  const sheets = useMemo(() => sheetsOf(splitter.split(paced)), [splitter, paced]);
  return (
    <KeptSelection>
      <div className="markdown" dir="auto">
        {sheets.map((blocks, index) => {
          const isLast = index === sheets.length - 1;
          // A lone sheet is a reply of usual length, and stays. Of several, only the last two may still change.
          const isSettled = sheets.length > 1 && (!isLive || index < sheets.length - 2);
          // biome-ignore lint/suspicious/noArrayIndexKey: sheets are only ever added at the end
          return <Blocks key={index} blocks={blocks} isLive={isLive && isLast} isSettled={isSettled} />;
        })}
      </div>
    </KeptSelection>
  );
});

interface BlocksProps {
  blocks: readonly Block[];
  isLive: boolean;
  isSettled: boolean;
}

const Blocks = memo(
  function Blocks({ blocks, isLive, isSettled }: BlocksProps) {
    return (
      <Sheet className="sheet" isSettled={isSettled}>
        {blocks.map((block, index) => {
          const isOpen = isLive && index === blocks.length - 1;
          return block.kind === 'code' ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
            <Fence key={index} {...block} isLive={isOpen && !block.isClosed} hasCaret={isOpen} />
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <Prose key={index} pieces={block.pieces} isLive={isOpen} />
          );
        })}
      </Sheet>
    );
  },
  (before, after) =>
    before.isLive === after.isLive &&
    before.isSettled === after.isSettled &&
    before.blocks.length === after.blocks.length &&
    before.blocks.every((block, index) => block === after.blocks[index]),
);
