import { createContext, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { ChatMessage, HeadraceClient, SpeechAbilities } from '../../client/index.js';
import { IconButton } from '../app/IconButton.tsx';
import { SpeakerIcon, StopIcon } from '../app/icons.tsx';
import { rangesIn } from '../thread/matches.ts';
import { useWords } from '../words/words.ts';
import { player } from './player.ts';
import { patternOfSentence } from './spoken.ts';

const HIGHLIGHT = 'headrace-spoken';

interface Speaking {
  client: HeadraceClient;
  can: SpeechAbilities;
}

const Speech = createContext<Speaking | null>(null);
export const SpeechProvider = Speech.Provider;

/** Who speaks, and what; null where nobody does, and while that is not known. With another *key* it is silent. */
export function useSpeech(client: HeadraceClient, key: unknown): Speaking | null {
  const [speaking, setSpeaking] = useState<Speaking | null>(null);
  useEffect(() => {
    const asking = new AbortController();
    client.heartbeat({ signal: asking.signal }).then(
      ({ speech }) => setSpeaking(speech ? { client, can: speech } : null),
      () => {},
    );
    return () => asking.abort();
  }, [client]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is read aloud is of the conversation that is shown
  useEffect(() => () => player.stop(), [key]);
  return speaking;
}

/** The button that has a reply read aloud, while it is written too, and marks the sentence that is heard. */
export function ReadAloud({ message }: { message: ChatMessage }) {
  const words = useWords();
  const speaking = useContext(Speech);
  const reading = useSyncExternalStore(player.subscribe, player.snapshot, () => null);
  const button = useRef<HTMLSpanElement>(null);
  const { generationId, content } = message;
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

  if (!speaking || !generationId) return null;
  const start = () => player.start(speaking.client, generationId, speaking.can, content);
  return (
    <span ref={button} className="read-aloud" data-reading={ours?.state} data-sentence={sentence?.start}>
      <IconButton
        label={isReading ? words.stopReading : words.readAloud}
        aria-pressed={isReading}
        onClick={() => (isReading ? player.stop() : start())}
      >
        {isReading ? <StopIcon /> : <SpeakerIcon />}
      </IconButton>
      {ours?.state === 'failed' && <span role="status">{words.readingFailed}</span>}
    </span>
  );
}
