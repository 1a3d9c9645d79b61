/** A reply's text, drawn as it arrives. */
import { memo, useMemo, useState } from 'react';
import { BlockSplitter } from './blocks.ts';
import { CodeBlock } from './CodeBlock.tsx';
import { Prose } from './Prose.tsx';
import { usePaced } from './usePaced.ts';

interface MarkdownProps {
  text: string;
  isLive: boolean;
}

export const Markdown = memo(function Markdown({ text, isLive }: MarkdownProps) {
  const [splitter] = useState(() => new BlockSplitter());
  const paced = usePaced(text, isLive, splitter.openLength);
  const blocks = useMemo(() => splitter.split(paced), [splitter, paced]);
  return (
    <div className="markdown" dir="auto">
      {blocks.map((block, index) => {
        const isOpen = isLive && index === blocks.length - 1;
        return block.kind === 'code' ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end
          <CodeBlock key={index} code={block.code} language={block.language} isLive={isOpen && !block.isClosed} />
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: as above
          <Prose key={index} pieces={block.pieces} isLive={isOpen} />
        );
      })}
    </div>
  );
});
