import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { ChatMessage, HeadraceClient, SpeechAbilities } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { SilenceIcon, SpeakerIcon } from '../app/icons.tsx';
import { rangesIn } from '../thread/matches.ts';
import { useWords } from '../words/words.ts';
import { player } from './player.ts';
import { patternOfSentence } from './spoken.ts';

const HIGHLIGHT = 'headrace-spoken';

interface ReaderProps {
  client: HeadraceClient;
  can: SpeechAbilities;
  generationId: string;
  message: ChatMessage;
}

/** The button that has a reply read aloud, while it is written too, and marks the sentence that is heard. */
export function Reader({ client, can, generationId, message }: ReaderProps) {
  const words = useWords();
  const reading = useSyncExternalStore(player.subscribe, player.snapshot, () => null);
  const button = useRef<HTMLSpanElement>(null);
  const { content } = message;
  const ours = reading !== null && reading.generationId === generationId ? reading : null;
  const isReading = ours !== null && ours.state !== 'failed';
  const sentence = ours?.sentence ?? null;

  useEffect(() => {
    const article = button.current?.closest('article');
    if (!sentence || !article || typeof Highlight === 'undefined') return;
    const pattern = patternOfSentence(content, sentence);
    const ranges = pattern ? rangesIn(article, pattern).slice(0, 1) : [];
    if (ranges.length > 0) CSS.highlights.set(HIGHLIGHT, new Highlight(...ranges));
    return () => void CSS.highlights.delete(HIGHLIGHT);
  }, [content, sentence]);

  const start = () => player.start(client, generationId, can, content);
  return (
    <span ref={button} className="read-aloud" data-reading={ours?.state} data-sentence={sentence?.start}>
      <IconButton
        label={isReading ? words.stopReading : words.readAloud}
        aria-pressed={isReading}
        onClick={() => (isReading ? player.stop() : start())}
      >
        {isReading ? <SilenceIcon /> : <SpeakerIcon />}
      </IconButton>
      {ours?.state === 'failed' && <span role="status">{words.readingFailed}</span>}
    </span>
  );
}

export function silence(): void {
  player.stop();
}
